"""Where the items of one message belong in time: live, late, retained, or with a wrong clock."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.readings import NO_SEQ, Quality, Stream
from ingest.clocks import OwnGap, impossible, is_late, judge
from ingest.items import Item, behind_newest_ns

# Plain integers: these are combined once an item, and enum members are slow to combine.
_LATE, _WRONG, _STEP = int(Quality.LATE), int(Quality.CLOCK_WRONG), int(Quality.CLOCK_STEP)
_RETAINED = int(Quality.RETAINED)


@dataclass(slots=True)
class Run:
    """The items of one device in one message: its newest item tells how its clock stands.

    Samples that were buffered for a minute have lags of up to a minute, whatever the clock; only
    the newest one was sent when it was taken.

    Parameters
    ----------
    own_gap
        Our own absence, which explains lags.
    wrong
        Flags of every row while the clock is wrong, 0 while it is not, ``None`` until judged.
    """

    newest: Item
    own_gap: OwnGap
    wrong: int | None = None

    def place(self, item: Item, received_at_ns: int) -> tuple[int, int]:
        """Event time and quality flags of one item."""
        clock = item.device.clock
        if item.ts_ns is None:
            return received_at_ns, _WRONG
        if self.wrong is None:
            newest = self.newest
            # A sign of life overtakes the buffer that follows it, so its number proves no order.
            seq = NO_SEQ if newest.source.stream is Stream.ALIVE else newest.seq
            gap = self.own_gap
            _, flags = judge(clock, newest.ts_ns, received_at_ns, seq, newest.boot, gap)
            self.wrong = flags if flags & _WRONG else 0
        if not self.wrong:
            # One odd time among good ones is that item's fault, not the clock's.
            if impossible(item.ts_ns, received_at_ns):
                return received_at_ns, _WRONG
            waited_ns = self.own_gap.waited_ns(item.ts_ns, received_at_ns)
            late = is_late(clock, received_at_ns - item.ts_ns - waited_ns)
            return item.ts_ns, _LATE if late else 0
        flags, self.wrong = self.wrong, self.wrong & ~_STEP
        return received_at_ns - behind_newest_ns(item.ts_ns, self.newest.ts_ns), flags


def runs_of(items: Sequence[Item], received_at_ns: int, own_gap: OwnGap) -> dict[int, Run]:
    """Runs of a message's items by device (`id` of its memory)."""
    runs: dict[int, Run] = {}
    for item in items:
        key = id(item.device)
        run = runs.get(key)
        if run is None:
            runs[key] = Run(item, own_gap)
        elif _newer(item.ts_ns, run.newest.ts_ns, received_at_ns):
            run.newest = item
    return runs


def _newer(ts_ns: int | None, than_ns: int | None, received_at_ns: int) -> bool:
    """Whether a time tells more of a clock than another: the newest one that is possible."""
    if ts_ns is None or than_ns is None:
        return than_ns is None
    if impossible(than_ns, received_at_ns):
        return True
    return ts_ns >= than_ns and not impossible(ts_ns, received_at_ns)


def place_will(received_at_ns: int) -> tuple[int, int]:
    """Event time and flags of an offline sign: a last will was written at connect.

    Its own time says nothing about now, and nothing about the clock.
    """
    return received_at_ns, 0


def place_retained(item: Item, online: int, received_at_ns: int) -> tuple[int, int]:
    """Event time and flags of history: it teaches nothing of the clock, but obeys its judgement."""
    ts_ns, flags = item.ts_ns, _RETAINED | _LATE
    if ts_ns is None and online == 0:
        return received_at_ns, flags
    if ts_ns is None or item.device.clock.wrong or impossible(ts_ns, received_at_ns):
        return received_at_ns, flags | _WRONG
    return ts_ns, flags
