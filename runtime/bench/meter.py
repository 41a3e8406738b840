"""What running processes cost: CPU time and resident memory."""

import ctypes
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from domain.errors import DependencyError

BYTES_PER_MB = 1_000_000

_SAMPLE_S = 0.5


def cpu_s(pids: Sequence[int]) -> float:
    """User and system time of processes since their start, all threads together.

    Raises
    ------
    DependencyError
        If a process has ended.
    """
    return sum(_cpu_s(pid) for pid in pids)


def _cpu_s(pid: int) -> float:
    # /proc counts in hundredths of a second; this clock is exact, and a short run needs that.
    clock = ctypes.c_int()
    if ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock)) != 0:
        raise DependencyError(f"process {pid} has ended while it was measured")
    return time.clock_gettime(clock.value)


def resident_mb(pids: Sequence[int]) -> float:
    """Resident memory of processes together [MB]; an ended one counts nothing."""
    return sum(_resident_bytes(pid) for pid in pids) / BYTES_PER_MB


def _resident_bytes(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


class Sampler:
    """Calls a function again and again beside a block, and once more at its end."""

    def __init__(self, sample: Callable[[], None], interval_s: float = _SAMPLE_S) -> None:
        self._sample = sample
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        if error is None:
            self._sample()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            self._sample()
