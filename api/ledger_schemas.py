"""The ledger as the API, the console and the command line give it."""

from collections.abc import Sequence
from typing import Self

from api.schemas import Instant, Out, iso
from domain.instants import NS_PER_S, to_iso
from domain.ledger import HOUR_NS, LedgerRow, LedgerTotal, Missing, by_hour, lag_trend_ms_per_h


class MissingRangeOut(Out):
    """Consecutive missing numbers of one boot, both ends included."""

    boot: str
    first: int
    last: int


class MissingOut(Out):
    """Items whose absence was noticed in the hour and that have not arrived since.

    ``unlisted`` of them are too many to be named in ``ranges``.
    """

    count: int
    unlisted: int
    ranges: list[MissingRangeOut]

    @classmethod
    def of(cls, missing: Missing) -> Self:
        """Model of what is missing."""
        ranges = [MissingRangeOut(boot=r.boot, first=r.first, last=r.last) for r in missing.ranges]
        return cls(count=missing.count, unlisted=missing.unlisted, ranges=ranges)


class LagOut(Out):
    """Received time minus device time over the hour [s]; negative = the device is ahead.

    While the clock is wrong it is how far the clock is off.
    """

    first_s: float
    last_s: float
    min_s: float
    max_s: float


class LedgerFiguresOut(Out):
    """What is known of one hour; see ``docs/ledger.md`` for each figure."""

    received: int
    alive: int
    duplicated: int
    late: int
    refused: int
    bad_values: int
    missing: MissingOut
    last_boot: str | None
    last_seq: int | None
    last_received_at: Instant | None
    lag: LagOut | None
    clock_wrong: bool

    @classmethod
    def of(cls, row: LedgerRow) -> Self:
        """Model of a row."""
        return cls(
            received=row.received,
            alive=row.alive,
            duplicated=row.duplicated,
            late=row.late,
            refused=row.refused,
            bad_values=row.bad_values,
            missing=MissingOut.of(row.missing),
            last_boot=row.last_boot or None,
            last_seq=row.last_seq,
            last_received_at=iso(row.last_received_at_ns or None),
            lag=_lag(row),
            clock_wrong=row.clock_wrong,
        )


class LedgerHourOut(Out):
    """One hour; ``figures`` is null when nothing is known of it, which is not the same as zero.

    ``over`` says whether the hour has ended, so that only its missing items can still change.
    """

    hour: Instant
    over: bool
    known: bool
    figures: LedgerFiguresOut | None


class LedgerOut(Out):
    """Hours of one device, oldest first, and how its clock drifts over them.

    ``lag_trend_ms_per_h`` is the slope of the least-squares line through the hours' mean lags; null
    when fewer than two hours are known.
    """

    equipment_id: str
    start: Instant
    end: Instant
    lag_trend_ms_per_h: float | None
    hours: list[LedgerHourOut]


class LedgerTotalOut(Out):
    """One device over the hours asked for; ``lag_max_abs_s`` is null when its clock is not known.

    ``hours`` of them are known.
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
    lag_max_abs_s: float | None
    clock_wrong: bool

    @classmethod
    def of(cls, total: LedgerTotal) -> Self:
        """Model of a device's sums."""
        lag_ns = total.lag_max_abs_ns
        return cls(
            equipment_id=total.equipment_id,
            hours=total.hours,
            received=total.received,
            alive=total.alive,
            duplicated=total.duplicated,
            late=total.late,
            refused=total.refused,
            bad_values=total.bad_values,
            missing=total.missing,
            lag_max_abs_s=None if lag_ns is None else lag_ns / NS_PER_S,
            clock_wrong=total.clock_wrong,
        )


def device_ledger(
    equipment_id: str, rows: Sequence[LedgerRow], start_ns: int, end_ns: int, now_ns: int
) -> LedgerOut:
    """Every hour that begins in ``start_ns <= t < end_ns``, with its row where there is one."""
    return LedgerOut(
        equipment_id=equipment_id,
        start=to_iso(start_ns),
        end=to_iso(end_ns),
        lag_trend_ms_per_h=lag_trend_ms_per_h(rows),
        hours=[
            LedgerHourOut(
                hour=to_iso(hour_start_ns),
                over=hour_start_ns + HOUR_NS <= now_ns,
                known=row is not None,
                figures=None if row is None else LedgerFiguresOut.of(row),
            )
            for hour_start_ns, row in by_hour(rows, start_ns, end_ns)
        ],
    )


def _lag(row: LedgerRow) -> LagOut | None:
    lags = (row.lag_first_ns, row.lag_last_ns, row.lag_min_ns, row.lag_max_ns)
    first, last, least, most = (None if lag is None else lag / NS_PER_S for lag in lags)
    if first is None or last is None or least is None or most is None:
        return None
    return LagOut(first_s=first, last_s=last, min_s=least, max_s=most)
