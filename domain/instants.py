"""Instants as integers: nanoseconds since 1970-01-01T00:00Z, and their text forms.

Inside the product every instant is UTC in nanoseconds; Asia/Shanghai is what screens show and what
a device means that sends no offset (China has had one zone without daylight time since 1991).
"""

from datetime import UTC, datetime, timedelta, timezone

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def seconds(duration_s: float) -> int:
    """Nanoseconds in ``duration_s`` seconds.

    >>> seconds(1.5)
    1500000000
    """
    return round(duration_s * NS_PER_S)


def from_datetime(instant: datetime) -> int:
    """Nanoseconds since the epoch of an aware `datetime`; a naive one is a programmer's error."""
    return (instant - _EPOCH) // _MICROSECOND * 1_000


def to_datetime(instant_ns: int) -> datetime:
    """Aware UTC `datetime` of an instant, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=instant_ns // 1_000)


def to_iso(instant_ns: int) -> str:
    """ISO 8601 text in UTC with milliseconds.

    >>> to_iso(1_700_000_000_123_000_000)
    '2023-11-14T22:13:20.123Z'
    """
    return to_datetime(instant_ns).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: str) -> int:
    """Instant of an ISO 8601 text; without an offset it is read as Asia/Shanghai.

    >>> from_iso("2023-11-14T22:13:20Z") == from_iso("2023-11-15T06:13:20")
    True

    Raises
    ------
    ValueError
        If the text is not an ISO 8601 date and time.
    """
    instant = datetime.fromisoformat(text)
    return from_datetime(instant if instant.tzinfo else instant.replace(tzinfo=SHANGHAI))
