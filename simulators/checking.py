"""Checks of what people write into scenario files, in words that help them."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from domain.errors import UsageError

_T = TypeVar("_T")


def number(where: str, value: object, low: float, high: float) -> float:
    """Return a number within bounds.

    Raises
    ------
    UsageError
        If it is none, or outside.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UsageError(f"{where} is a number from {low:g} to {high:g}, not {value!r}")
    return float(value)


def known_keys(where: str, table: Mapping[str, object], known: set[str], errors: list[str]) -> None:
    """Note every key of a table that is not known."""
    errors.extend(
        f'{where} has no key "{key}"{nearest(key, known)}' for key in table if key not in known
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """Ask whether the most similar known word was meant; empty when none is similar."""
    matches = difflib.get_close_matches(word, list(known), n=1)
    return f', did you mean "{matches[0]}"?' if matches else ""


def attempt(check: Callable[[], _T], errors: list[str]) -> _T | None:
    """Result of a check, or ``None`` with its error noted."""
    try:
        return check()
    except UsageError as error:
        errors.append(str(error))
        return None
