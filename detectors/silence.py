"""Silent devices: heard once, and then not for longer than values may be carried forward.

Judged on the received clock, because a silent device's own clock cannot be read. A device that was
never heard is not claimed: it may not be installed yet, and screens show it as unknown. The time in
which we were away ourselves does not count.
"""

import numpy as np

from detectors.current import NEVER, Bools, Current, Devices, grown

NAME = "silence"


class Silence:
    """Silence of n devices.

    Attributes
    ----------
    claimed
        bool[n], the silence was claimed and the device has not been heard since.
    """

    def __init__(self) -> None:
        self.claimed: Bools = np.empty(0, dtype=np.bool_)

    def grow(self, n: int) -> None:
        """Make room for n devices."""
        self.claimed = grown(self.claimed, n, 0)

    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays that a snapshot keeps."""
        return ("claimed",)

    def times(self) -> tuple[str, ...]:
        """No array holds event times."""
        return ()

    def heard(self, device: Devices) -> Devices:
        """Indices into ``device`` of those whose claimed silence is over."""
        back = np.flatnonzero(self.claimed[device]).astype(np.int32)
        self.claimed[device[back]] = False
        return back

    def fall_silent(self, device: Devices, current: Current, now_ns: int) -> Devices:
        """Indices into ``device`` of those that are silent as of now and not claimed yet."""
        heard = current.heard_ns[device] != NEVER
        silent = heard & (now_ns >= current.stale_at_ns(device)) & ~self.claimed[device]
        self.claimed[device] |= silent
        return np.flatnonzero(silent).astype(np.int32)
