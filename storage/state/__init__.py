"""State store: everything but telemetry, on SQLite or PostgreSQL."""

from storage.state.engines import open_engines
from storage.state.migrate import migrate
from storage.state.store import SqlStateStore, reachable

__all__ = ["SqlStateStore", "open_state_store"]


def open_state_store(url: str) -> SqlStateStore:
    """Open a state store, and bring its tables to the present schema.

    Parameters
    ----------
    url
        ``sqlite:///PATH`` (made when missing) or ``postgresql+psycopg://USER:PASSWORD@HOST/NAME``.

    Raises
    ------
    UsageError
        If the URL is malformed, or a newer version of the product made the tables.
    DependencyError
        If the database cannot be reached or opened.
    """
    engines = open_engines(url)
    try:
        with reachable():
            migrate(engines)
    except BaseException:
        engines.close()
        raise
    return SqlStateStore(engines)
