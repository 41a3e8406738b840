"""Threads of one process; when one fails the process ends, and its supervisor starts it anew."""

import gc
import signal
import threading
from collections.abc import Callable

import structlog

_log = structlog.get_logger(__name__)

STOP_GRACE_S = 10.0
"""How long one worker may take to finish its step after a stop was asked for."""


_COLLECT_AFTER = (50_000, 20, 100)


def collect_rarely() -> None:
    """Make garbage collections of this process rare.

    The hot path makes many short-lived tuples and no cycles; looking through a fleet's state for
    some costs more than it ever frees.
    """
    gc.set_threshold(*_COLLECT_AFTER)


class Workers:
    """Named threads that share one stop event.

    Parameters
    ----------
    on_failure
        Called once, from the failing thread, after a worker raised.
    """

    def __init__(self, on_failure: Callable[[], None]) -> None:
        self._on_failure = on_failure
        self._threads: list[threading.Thread] = []
        self.stop_event = threading.Event()
        self.failed: str | None = None

    def start(self, name: str, run: Callable[[threading.Event], None]) -> None:
        """Run ``run(stop_event)`` in a thread until it returns."""
        thread = threading.Thread(target=self._guard, args=(name, run), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """Ask all workers to stop and wait for them, each within `STOP_GRACE_S`."""
        self.stop_event.set()
        for thread in self._threads:
            thread.join(STOP_GRACE_S)
            if thread.is_alive():
                _log.warning("worker_did_not_stop", worker=thread.name, grace_s=STOP_GRACE_S)

    def stop_on_signal(self) -> None:
        """Ask all workers to stop at SIGTERM or SIGINT."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: self.stop_event.set())

    def wait(self) -> None:
        """Wait until a stop is asked for, or a worker failed."""
        self.stop_event.wait()

    def _guard(self, name: str, run: Callable[[threading.Event], None]) -> None:
        try:
            run(self.stop_event)
        except Exception:  # noqa: BLE001 - whatever it was, the process must end and say so
            _log.exception("worker_failed", worker=name)
            self.failed = name
            self.stop_event.set()
            self._on_failure()
