"""Wrong device clocks: the decoder judged them (contract.md), this claims them once and ends it.

A single item with an odd time ends by itself after three good ones. Late and retained rows say
nothing about a clock.
"""

import numpy as np

from detectors.current import Ints, Rows, grown

NAME = "clock"

_NONE: Ints = np.empty(0, dtype=np.int64)

GOOD_ROWS = 3
"""Rows with a good clock in a row that end a claim (ours)."""


class Clocks:
    """Clock state of n devices.

    Attributes
    ----------
    good_rows
        int64[n], good rows still needed to end the claim; 0 = nothing claimed.
    """

    def __init__(self) -> None:
        self.good_rows: Ints = np.empty(0, dtype=np.int64)

    def grow(self, n: int) -> None:
        """Make room for n devices."""
        self.good_rows = grown(self.good_rows, n, 0)

    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays that a snapshot keeps."""
        return ("good_rows",)

    def times(self) -> tuple[str, ...]:
        """No array holds event times."""
        return ()

    def observe(self, rows: Rows) -> tuple[Ints, Ints]:
        """Rows whose device's clock began to be wrong, and those where it came right."""
        left = self.good_rows[rows.device]
        wrong = rows.live & rows.clock_wrong
        if not (wrong.any() or left.any()):
            return _NONE, _NONE
        begins = np.flatnonzero(wrong & (left == 0))
        good = rows.live & ~rows.clock_wrong & (left > 0)
        ends = np.flatnonzero(good & (left == 1))
        self.good_rows[rows.device] = np.where(wrong, GOOD_ROWS, left - good)
        return begins, ends
