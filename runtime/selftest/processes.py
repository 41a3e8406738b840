"""Processes of a service: found in ``/proc``, measured, and ended when they are left over."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self

_SAMPLE_S = 0.5
_ROLES = {b"ingest": "ingest", b"pipeline": "core"}
_BYTES_PER_MB = 1e6


class MemoryWatch:
    """Most resident memory of each process while a block runs [MB].

    Parameters
    ----------
    pids
        The processes of the moment by name.
    """

    def __init__(self, pids: Callable[[], Mapping[str, int]]) -> None:
        self._pids = pids
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)
        self._most_mb: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def most_mb(self) -> dict[str, float]:
        """By process name."""
        return {name: round(value, 1) for name, value in sorted(self._most_mb.items())}

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE_S):
            for name, pid in self._pids().items():
                self._most_mb[name] = max(self._most_mb.get(name, 0.0), resident_mb(pid))


def resident_mb(pid: int) -> float:
    """Resident memory of a process [MB]; 0 when it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / _BYTES_PER_MB


def children(parent: int) -> dict[str, int]:
    """Living children of a supervisor by name."""
    found = {}
    for directory in _processes():
        # A process may end while it is looked at.
        with contextlib.suppress(OSError):
            status = (directory / "stat").read_text(encoding="ascii", errors="replace")
            state, ppid = status.rpartition(")")[2].split()[:2]
            name = _name(directory) if int(ppid) == parent and state != "Z" else None
            if name is not None:
                found[name] = int(directory.name)
    return found


def _processes() -> Iterator[Path]:
    return (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _name(process: Path) -> str | None:
    words = (process / "cmdline").read_bytes().split(b"\0")
    if os.fsencode(sys.executable) not in words:
        return "broker"
    # Between fork and exec a child is still called like its supervisor.
    return next((name for role, name in _ROLES.items() if role in words), None)


def kill_leftovers(root: Path) -> None:
    """Kill every other process whose command line names a directory: a service's own one."""
    own = os.fsencode(root)
    for process in _processes():
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            named = any(word == own or word.startswith(own + b"/") for word in words)
            if named and int(process.name) != os.getpid():
                os.kill(int(process.name), signal.SIGKILL)
