"""State stores in SQLite, without a migration for each."""

from functools import cache, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from storage.state import SqlStateStore, open_state_store
from storage.state.engines import Engines, open_engines


def new_state(path: Path) -> SqlStateStore:
    """Empty SQLite store at the present schema, in a file that is not there yet."""
    return copied_state(path, _migrated())


def copied_state(path: Path, content: bytes) -> SqlStateStore:
    """Store with the content of another at the present schema, in a file that is not there yet."""
    path.write_bytes(content)
    return SqlStateStore(_engines(path))


@cache
def _migrated() -> bytes:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "state.sqlite"
        open_state_store(f"sqlite:///{path}").close()
        return path.read_bytes()


@lru_cache(maxsize=4)
def _engines(path: Path) -> Engines:
    """Engines of a file that is made anew again and again: they remember compiled statements."""
    return open_engines(f"sqlite:///{path}")
