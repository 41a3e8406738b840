"""The database engine that reads and writes files of history."""

import duckdb


def in_memory() -> duckdb.DuckDBPyConnection:
    """Give an engine without a file of its own: one thread, as processes share out the cores.

    Its progress bar would end up among the JSON that a slow backtest prints.
    """
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET enable_progress_bar = false")
    return connection
