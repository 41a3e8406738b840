"""Fault, event and alarm codes by dialect: versioned data, never arithmetic.

Local extensions give the same number different meanings, so nothing from 08 on is national. An
unknown code is stored and shown, and feeds no rule. One module under `domain.dialects` and one line
of `TABLES` add a dialect.
"""

from collections.abc import Mapping

from domain.dialects import (
    aggregation,
    bacnet,
    chongqing,
    gbt24476,
    property_platform,
    shanghai,
    shmashine,
    telecom,
    yunanda,
)
from domain.dialects.table import Code, CodeClass, Dialect

__all__ = [
    "CODES",
    "DEFAULT_DIALECT",
    "DIALECTS",
    "RETURNS_TO_AUTOMATIC",
    "TABLES",
    "Code",
    "CodeClass",
    "Dialect",
    "code_text",
]

DEFAULT_DIALECT = gbt24476.NAME

TABLES: tuple[Dialect, ...] = (
    gbt24476.DIALECT,
    aggregation.DIALECT,
    yunanda.DIALECT,
    chongqing.DIALECT,
    shanghai.DIALECT,
    shmashine.DIALECT,
    property_platform.DIALECT,
    telecom.DIALECT,
    bacnet.LIFT,
    bacnet.ESCALATOR,
)
"""Every dialect; a new one goes to the end, so that codes keep their order."""

CODES: Mapping[str, Code] = {code.key: code for table in TABLES for code in table.codes}
"""Every known code by ``dialect:code``."""

DIALECTS = frozenset(table.name for table in TABLES)

RETURNS_TO_AUTOMATIC = frozenset(key for key, code in CODES.items() if code.returns_to_automatic)
"""Events that end the states of their dialect, mains power included."""


def code_text(raw: str | int) -> str:
    """Code as a string; a number is read as its two-digit string.

    >>> code_text(4)
    '04'
    """
    return f"{raw:02d}" if isinstance(raw, int) else raw
