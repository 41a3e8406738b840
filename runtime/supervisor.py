"""The supervisor: starts the processes of the service and starts them again when they die.

A child that is killed loses nothing: messages are acknowledged after the journal has them, and the
pipeline goes on from its recorded position. A child that dies again and again is given up, so that
whoever supervises us sees a failure and not a loop.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

import structlog

from domain.errors import EquipwatchError

RESTARTS_MAX = 20
"""Restarts of one child within `RESTART_WINDOW_S` that are tolerated."""

RESTART_WINDOW_S = 60.0
STOP_GRACE_S = 15.0
"""How long a child may take to stop before it is killed."""

_POLL_S = 0.1
_PR_SET_PDEATHSIG = 1

_log = structlog.get_logger(__name__)


class ChildGaveUpError(EquipwatchError):
    """A child process died too often."""


@dataclass(slots=True)
class Child:
    """One supervised process.

    Parameters
    ----------
    name
        Name in logs.
    start
        Starts the process and returns it.
    """

    name: str
    start: Callable[[], "subprocess.Popen[bytes]"]
    process: "subprocess.Popen[bytes] | None" = None
    restarts: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS_MAX))


class Supervisor:
    """Keeps children running until told to stop.

    Parameters
    ----------
    children
        In order of start; they are stopped in the reverse order.
    """

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children
        self._stopping = False

    def run(self, on_poll: Callable[[], None] | None = None) -> None:
        """Run until SIGTERM or SIGINT.

        Raises
        ------
        ChildGaveUpError
            When a child died more than `RESTARTS_MAX` times within `RESTART_WINDOW_S`.
        """
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._stop)
        try:
            while not self._stopping:
                for child in self._children:
                    self._keep(child)
                if on_poll is not None:
                    on_poll()
                time.sleep(_POLL_S)
        finally:
            for child in reversed(self._children):
                _end(child)

    def _stop(self, signum: int, _frame: object) -> None:
        _log.info("stopping", signal=signal.Signals(signum).name)
        self._stopping = True

    def _keep(self, child: Child) -> None:
        if child.process is not None:
            if child.process.poll() is None:
                return
            _log.warning("child_died", child=child.name, status=child.process.returncode)
            _note_restart(child)
        child.process = child.start()
        _log.info("child_started", child=child.name, pid=child.process.pid)


def _note_restart(child: Child) -> None:
    now_s = time.monotonic()
    full = len(child.restarts) == RESTARTS_MAX
    if full and now_s - child.restarts[0] < RESTART_WINDOW_S:
        raise ChildGaveUpError(f"{child.name} died {RESTARTS_MAX} times in {RESTART_WINDOW_S:g} s")
    child.restarts.append(now_s)


def _end(child: Child) -> None:
    process = child.process
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_GRACE_S)
    except subprocess.TimeoutExpired:
        _log.warning("child_killed", child=child.name, grace_s=STOP_GRACE_S)
        process.kill()
        process.wait()


def spawn(
    arguments: Sequence[str], environment: Mapping[str, str], *, log: IO[bytes] | None = None
) -> "subprocess.Popen[bytes]":
    """Start ``python -m runtime`` with arguments; it gets SIGTERM when this process dies.

    Parameters
    ----------
    log
        File for what it prints; default: where this process prints.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "runtime", *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - one call into libc, no locks of ours
    )


def die_with_parent() -> None:
    """Ask Linux to send SIGTERM to this process when its parent dies; elsewhere do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
