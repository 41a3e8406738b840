"""Column types that carry domain values as they are, the same on SQLite and PostgreSQL."""

import json
import operator
from collections.abc import Callable
from enum import StrEnum
from typing import Any, SupportsIndex

import numpy as np
from sqlalchemy import BigInteger, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator

Serial = BigInteger().with_variant(Integer(), "sqlite")
"""Running number given by the database; SQLite only counts up a plain INTEGER key."""

BYTEWISE = Text().with_variant(Text(collation="C"), "postgresql")
"""Text compared and ordered byte by byte, as SQLite does without being told."""

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def clean_text(text: str) -> str:
    """Text that every database takes: NUL and lone surrogates become U+FFFD.

    Devices and people can send either; a refused row would stop the stream.
    """
    if text.isascii() and "\0" not in text:
        return text
    paired = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return paired.replace("\0", _REPLACEMENT)


class CleanText(TypeDecorator[str]):
    """Text by `clean_text`, ordered byte by byte."""

    impl = BYTEWISE
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002  SQLAlchemy's signature
        """Text as it is stored."""
        return None if value is None else clean_text(str(value))


class Whole(TypeDecorator[int]):
    """64-bit integer; takes NumPy's integers too, which sqlite3 would store as bytes."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: SupportsIndex | None, dialect: Dialect) -> int | None:  # noqa: ARG002  SQLAlchemy's signature
        """Plain `int`."""
        return None if value is None else operator.index(value)


class Word(TypeDecorator[StrEnum]):
    """Member of an enumeration, stored as its stable word."""

    impl = BYTEWISE
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002  SQLAlchemy's signature
        """Word of the member."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002  SQLAlchemy's signature
        """Member of the word."""
        return None if value is None else self.words(value)


class Packed(TypeDecorator[Any]):
    """JSON text of a nested value.

    It is text and not the database's own JSON type, so that whole numbers, floats and NaN come back
    exactly as they went in, on every database.

    Parameters
    ----------
    pack
        Nested value to lists, objects and plain values.
    unpack
        What `pack` gave, back to the nested value.
    """

    impl = Text
    cache_ok = True

    def __init__(self, pack: Callable[[Any], Any], unpack: Callable[[Any], Any]) -> None:
        super().__init__()
        self.pack = pack
        self.unpack = unpack

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ANN401, ARG002  any nested value; SQLAlchemy's signature
        """JSON text."""
        if value is None:
            return None
        return json.dumps(self.pack(value), separators=(",", ":"), default=_plain)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002  any nested value; SQLAlchemy's signature
        """Nested value."""
        return None if value is None else self.unpack(json.loads(value))


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} does not fit into a column of JSON text")
