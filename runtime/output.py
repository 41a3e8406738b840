"""What commands print: one JSON object on stdout with ``--json``, else text; logs on stderr."""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import structlog


def configure_logging(level: int = logging.INFO) -> None:
    """Send structured logs to stderr, as text for people and as JSON for machines."""
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def emit(report: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a report: one JSON object, or one line a key."""
    if as_json:
        print(json.dumps(report, ensure_ascii=False))  # noqa: T201 - this is the output
        return
    for key, value in report.items():
        if isinstance(value, Sequence) and not isinstance(value, str):
            table(key, value)
        else:
            print(f"{key}: {value}")  # noqa: T201


def table(title: str, rows: Sequence[Any]) -> None:
    """Print rows as a table whose columns are the keys of the first one."""
    from rich.console import Console
    from rich.table import Table

    if not rows or not isinstance(rows[0], Mapping):
        print(f"{title}: {', '.join(map(str, rows)) or 'none'}")  # noqa: T201
        return
    sheet = Table(title=title, title_justify="left")
    for column in rows[0]:
        sheet.add_column(str(column), overflow="fold")
    for row in rows:
        sheet.add_row(*(_cell(value) for value in row.values()))
    Console().print(sheet)


def _cell(value: object) -> str:
    return "" if value is None else str(value)
