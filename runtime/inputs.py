"""Instants and files that users name on the command line."""

from pathlib import Path

from domain.errors import UsageError
from domain.instants import from_iso
from domain.registry import RegistryFile, parse_registry


def start_instant(text: str) -> int:
    """Instant of ``--start``; see `instant_of`."""
    return instant_of("--start", text)


def instant_of(option: str, text: str) -> int:
    """Instant that the user gave with an option.

    Raises
    ------
    UsageError
        If it is no ISO 8601 time.
    """
    try:
        return from_iso(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r} is not an ISO 8601 time") from error


def registry_file(path: Path) -> RegistryFile:
    """Rows of a registry CSV, used and refused.

    Raises
    ------
    UsageError
        If the file cannot be read.
    """
    try:
        return parse_registry(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
