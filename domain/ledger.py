"""The ledger: what was received of a device in an hour, what is missing, and what was refused."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from domain.instants import NS_PER_MS, seconds

HOUR_NS = seconds(3_600)


@dataclass(frozen=True, slots=True)
class SeqRange:
    """Consecutive numbers of one boot, both ends included."""

    boot: str
    first: int
    last: int

    def __len__(self) -> int:
        """Return how many numbers it holds."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Items whose absence was noticed in an hour and that have not arrived since.

    Parameters
    ----------
    count
        How many. Exact, also where they are too many to be listed.
    ranges
        Their numbers, oldest boot first; at most so many ranges as the ledger's limit.
    """

    count: int = 0
    ranges: tuple[SeqRange, ...] = ()

    @property
    def unlisted(self) -> int:
        """Missing items whose numbers are not listed."""
        return max(0, self.count - sum(map(len, self.ranges)))


NOTHING_MISSING = Missing()


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One device in one hour of received time. An hour without a row is unknown, and not empty.

    Parameters
    ----------
    hour_start_ns
        Begin of the hour, a multiple of `HOUR_NS`.
    received
        Items accepted, signs of life left out.
    alive
        Signs of life (``alive`` items, last wills included).
    duplicated
        Items that had arrived before.
    late
        Items among ``received`` and ``alive`` that are history: buffered, replayed, retained.
    refused
        Items, and whole messages, that went to quarantine.
    bad_values
        Items with at least one value that could not be used.
    last_boot, last_seq
        Newest boot and its highest number; empty and ``None`` where none was sent. They and the
        lags are samples: see `ingest.ledger.SAMPLE_S`.
    last_received_at_ns
        Received time of the last item that was accepted; 0 when only duplicates and refusals came.
    lag_first_ns, lag_last_ns, lag_min_ns, lag_max_ns
        Received time minus device time, as the decoder judges it, over the hour: the lag of live
        items, or, while the clock is wrong, how far it is off (negative: ahead). ``None`` = no
        sample.
    clock_wrong
        The device's clock was wrong at some sample of the hour.
    """

    equipment_id: str
    hour_start_ns: int
    received: int = 0
    alive: int = 0
    duplicated: int = 0
    late: int = 0
    refused: int = 0
    bad_values: int = 0
    last_boot: str = ""
    last_seq: int | None = None
    last_received_at_ns: int = 0
    lag_first_ns: int | None = None
    lag_last_ns: int | None = None
    lag_min_ns: int | None = None
    lag_max_ns: int | None = None
    clock_wrong: bool = False
    missing: Missing = NOTHING_MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class HourMissing:
    """What is missing now of an hour whose other figures do not change any more."""

    equipment_id: str
    hour_start_ns: int
    missing: Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerChanges:
    """Absolute values to store: writing them twice changes nothing."""

    rows: Sequence[LedgerRow] = field(default=())
    missing: Sequence[HourMissing] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTotal:
    """One device over several hours; sums, but ``lag_max_abs_ns`` and ``clock_wrong``.

    Parameters
    ----------
    hours
        Hours with a row.
    lag_max_abs_ns
        Greatest distance of the device's clock from ours, either way; ``None`` = no sample.
    """

    equipment_id: str
    hours: int
    received: int
    alive: int
    duplicated: int
    late: int
    refused: int
    bad_values: int
    missing: int
    lag_max_abs_ns: int | None
    clock_wrong: bool


def hour_start(instant_ns: int) -> int:
    """Begin of the hour that an instant lies in.

    >>> hour_start(HOUR_NS + 5) == HOUR_NS
    True
    """
    return instant_ns // HOUR_NS * HOUR_NS


def by_hour(
    rows: Sequence[LedgerRow], start_ns: int, end_ns: int
) -> Iterator[tuple[int, LedgerRow | None]]:
    """Every hour that begins in ``start_ns <= t < end_ns`` with its row, ``None`` = unknown."""
    known = {row.hour_start_ns: row for row in rows}
    first_ns = -(-start_ns // HOUR_NS) * HOUR_NS
    for hour_start_ns in range(first_ns, end_ns, HOUR_NS):
        yield hour_start_ns, known.get(hour_start_ns)


def lag_trend_ms_per_h(rows: Sequence[LedgerRow]) -> float | None:
    r"""Drift of a device's clock against ours over hours [ms/h]; positive = it falls behind.

    Slope of the least-squares line through one point an hour, the mean of its first and last lag:

    .. math:: b = \frac{\sum_i (h_i - \bar h)(l_i - \bar l)}{\sum_i (h_i - \bar h)^2}

    with :math:`h_i` in hours and :math:`l_i` in ms. Only hours whose clock state is that of the
    newest one count, since a clock that is set jumps; ``None`` with fewer than two of them.

    >>> rows = [
    ...     LedgerRow(equipment_id="L", hour_start_ns=h * HOUR_NS, lag_first_ns=h, lag_last_ns=h)
    ...     for h in range(3)
    ... ]
    >>> lag_trend_ms_per_h(rows)
    1e-06
    """
    sampled = [row for row in rows if row.lag_first_ns is not None and row.lag_last_ns is not None]
    if not sampled:
        return None
    newest = max(sampled, key=lambda row: row.hour_start_ns)
    points = {
        row.hour_start_ns // HOUR_NS: ((row.lag_first_ns or 0) + (row.lag_last_ns or 0)) / 2
        for row in sampled
        if row.clock_wrong is newest.clock_wrong
    }
    if len(points) <= 1:
        return None
    hours = np.array(list(points), dtype=np.float64)
    lags = np.array(list(points.values())) / NS_PER_MS
    hours -= hours.mean()
    return float(hours @ (lags - lags.mean()) / (hours @ hours))
