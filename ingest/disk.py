"""How much of its disk budget a journal uses."""

import shutil
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

from ingest.segments import segments_of

RESERVE_SHARE_MAX = 0.05
RESERVE_BYTES_MAX = 512 * 1024**2
"""Left free on the file system for everything that is not the journal: the smaller of the two."""


class Mark(IntEnum):
    """High-water marks of the disk budget; each includes the measures of those below it."""

    NORMAL = 0
    LARGE_FRAMES = 1
    """From 70 %: fewer and larger frames."""
    SHEDDING = 2
    """From 85 %: sampled values of equipment without an entrapment are thinned out, counted."""
    STOPPED = 3
    """From 95 %: nothing is journalled or acknowledged, so the broker queues."""


SHARES = {Mark.LARGE_FRAMES: 0.70, Mark.SHEDDING: 0.85, Mark.STOPPED: 0.95}
"""Share of the budget at which a mark is reached."""


def mark_of(share: float) -> Mark:
    """Mark of a share of the budget.

    >>> mark_of(0.5).name, mark_of(0.86).name
    ('NORMAL', 'SHEDDING')
    """
    return max(
        (mark for mark, from_share in SHARES.items() if share >= from_share), default=Mark(0)
    )


def share_of(directory: Path, budget_bytes: int) -> Callable[[], float]:
    """Function that measures the share of a journal's budget in use.

    The budget is what the settings grant, or what the file system can still hold beside the
    reserve, whichever is less.
    """

    def measure() -> float:
        used_bytes = sum(segment.size_bytes() for segment in segments_of(directory))
        disk = shutil.disk_usage(directory)
        reserve_bytes = min(RESERVE_BYTES_MAX, int(RESERVE_SHARE_MAX * disk.total))
        room_bytes = min(budget_bytes, used_bytes + max(disk.free - reserve_bytes, 0))
        return used_bytes / max(room_bytes, 1)

    return measure
