"""Device clocks: which event time an item has, and whether it is late.

``lag`` is received time minus ``ts``. A healthy device has a small lag that hardly changes;
buffered data shows a large lag that shrinks while the buffer is sent; a wrong clock shows a large
lag that stays.

    lag
     │ ■■■■■■■■■■■■■■■■■■■■■  constant: the clock is wrong
     │ ■■
     │   ■■■                  shrinking: a buffer is sent, its items are late
     │      ■■■■
     │ ■ ■ ■ ■ ■ ■ ■ ■ ■ ■ ■  small: live
     └──────────────────────► received
"""

from typing import NamedTuple

import msgspec

from domain.instants import from_iso, seconds
from domain.readings import Quality

LATE_AFTER_NS = seconds(120)
"""Contract: later than the device's usual lag by more than this is late; ahead of the received time
by more than this is a wrong clock."""

ERA_NS = from_iso("2001-01-01T00:00:00Z")
"""Earlier is a clock that lost its time (1970, 1980, 2000 are where they start) and no old data."""

CONSTANT_SPAN_NS = seconds(5)
"""Received time over which a lag must stay before it counts as constant (default, ours)."""

CONSTANT_ITEMS = 3
"""Items with the same lag that make it constant (default, ours)."""

STOPPED_SPAN_NS = seconds(60)
"""Received time over which ``ts`` must stand still before the clock counts as stopped (ours)."""

OWN_GAP_MAX_NS = seconds(900)
"""How much lateness an absence of ours explains at most; beyond it, history is history (ours)."""

# Plain integers: this runs once an item, and enum members are slow to combine.
_LATE, _WRONG, _STEP = int(Quality.LATE), int(Quality.CLOCK_WRONG), int(Quality.CLOCK_STEP)

_CONSTANT_SLACK_NS = seconds(2)
_CONSTANT_SLACK_SHARE = 0.1
USUAL_WEIGHT = 0.05


class OwnGap(NamedTuple):
    """Our last absence: received times of the last frame before it and the first one after it.

    What devices sent meanwhile waited in the broker; that is no lateness of theirs.
    """

    from_ns: int = 0
    until_ns: int = 0

    def waited_ns(self, ts_ns: int, received_at_ns: int) -> int:
        """How long an item may have waited for us."""
        began_ns, ended_ns = max(ts_ns, self.from_ns), min(received_at_ns, self.until_ns)
        return min(max(ended_ns - began_ns, 0), OWN_GAP_MAX_NS)


class Clock(msgspec.Struct):
    """What is known of one device's clock; instants and lags in nanoseconds.

    Parameters
    ----------
    usual_lag_ns
        Slow mean of the lag of live items, within 2 min of zero: a larger lag is a wrong clock, be
        it reached ever so slowly. ``None`` before the first.
    wrong
        Event time is the received time until the clock comes right.
    wrong_lag_ns
        Lag while wrong.
    run_*
        Candidate for a constant lag: lag and received time of its first item, received time of the
        newest one that counted, how many counted.
    newest_ts_ns, newest_seq, newest_boot
        Newest item by sequence, for the test whether the clock stepped back.
    """

    usual_lag_ns: float | None = None
    wrong: bool = False
    wrong_lag_ns: int = 0
    run_lag_ns: int = 0
    run_from_ns: int = 0
    run_until_ns: int = 0
    run_items: int = 0
    newest_ts_ns: int | None = None
    newest_seq: int = -1
    newest_boot: str = ""


def judge(
    clock: Clock,
    ts_ns: int | None,
    received_at_ns: int,
    seq: int,
    boot: str,
    own_gap: OwnGap = OwnGap(),  # noqa: B008 - immutable
) -> tuple[int, int]:
    """Event time and `Quality` flags of one item; ``clock`` learns from it.

    Parameters
    ----------
    ts_ns
        The device's time; ``None`` when absent or unreadable.
    seq, boot
        -1 and empty when not sent.
    """
    if ts_ns is None:
        return received_at_ns, _WRONG
    waited_ns = own_gap.waited_ns(ts_ns, received_at_ns)
    lag_ns = received_at_ns - ts_ns - waited_ns
    stepped_back = _stepped_back(clock, ts_ns, seq, boot) and lag_ns > LATE_AFTER_NS
    if clock.wrong:
        return _judge_wrong(clock, lag_ns, ts_ns, received_at_ns)
    if impossible(ts_ns, received_at_ns) or stepped_back:
        return _turn_wrong(clock, lag_ns, received_at_ns)
    if not is_late(clock, lag_ns):
        clock.run_items = 0
        usual = clock.usual_lag_ns
        mean = lag_ns if usual is None else usual + USUAL_WEIGHT * (lag_ns - usual)
        clock.usual_lag_ns = min(mean, LATE_AFTER_NS)
        return ts_ns, 0
    if _constant(clock, lag_ns, received_at_ns):
        return _turn_wrong(clock, lag_ns, received_at_ns)
    return ts_ns, _LATE


def is_late(clock: Clock, lag_ns: int) -> bool:
    """Whether a lag, without what we caused, is more than a healthy device's usual one allows."""
    return lag_ns > (clock.usual_lag_ns or 0.0) + LATE_AFTER_NS


def impossible(ts_ns: int, received_at_ns: int) -> bool:
    """Whether a time is wrong at once: ahead of the received time, or of a clock that lost it."""
    return ts_ns - received_at_ns > LATE_AFTER_NS or ts_ns < ERA_NS


def _turn_wrong(clock: Clock, lag_ns: int, received_at_ns: int) -> tuple[int, int]:
    clock.wrong = True
    clock.wrong_lag_ns = lag_ns
    clock.run_items = 0
    return received_at_ns, _WRONG | _STEP


def _judge_wrong(clock: Clock, lag_ns: int, ts_ns: int, received_at_ns: int) -> tuple[int, int]:
    if abs(lag_ns) <= LATE_AFTER_NS:
        clock.wrong = False
        clock.usual_lag_ns = lag_ns
        clock.run_items = 0
        return ts_ns, 0
    if lag_ns - clock.wrong_lag_ns > LATE_AFTER_NS and ts_ns >= ERA_NS:
        if not _constant(clock, lag_ns, received_at_ns):
            return received_at_ns, _WRONG | _LATE
        clock.run_items = 0
    clock.wrong_lag_ns = lag_ns
    return received_at_ns, _WRONG


def _constant(clock: Clock, lag_ns: int, received_at_ns: int) -> bool:
    """Extend or restart the run of equal lags; say whether it is long enough.

    A clock that stands still shows a lag that grows exactly as received time does, which no buffer
    causes for long: it is a run of its own.
    """
    span_ns = received_at_ns - clock.run_from_ns
    grown_ns = lag_ns - clock.run_lag_ns
    slack_ns = max(_CONSTANT_SLACK_NS, _CONSTANT_SLACK_SHARE * span_ns)
    stopped = grown_ns == span_ns
    if clock.run_items and (stopped or abs(grown_ns) <= slack_ns):
        if received_at_ns > clock.run_until_ns:
            clock.run_items += 1
            clock.run_until_ns = received_at_ns
        needed_ns = CONSTANT_SPAN_NS if abs(grown_ns) <= slack_ns else STOPPED_SPAN_NS
        return clock.run_items >= CONSTANT_ITEMS and span_ns >= needed_ns
    clock.run_lag_ns = lag_ns
    clock.run_from_ns = clock.run_until_ns = received_at_ns
    clock.run_items = 1
    return False


def _stepped_back(clock: Clock, ts_ns: int, seq: int, boot: str) -> bool:
    """Whether a newer item of one boot has an older time, which a buffer cannot cause."""
    if seq < 0 or not boot:
        return False
    same_boot = boot == clock.newest_boot
    if same_boot and seq <= clock.newest_seq:
        return False
    newest_ts_ns = clock.newest_ts_ns
    clock.newest_boot, clock.newest_seq, clock.newest_ts_ns = boot, seq, ts_ns
    return same_boot and newest_ts_ns is not None and newest_ts_ns - ts_ns > LATE_AFTER_NS
