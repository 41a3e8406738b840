"""Virtual time of a simulated world, its dice, and the trace of what happened in it.

Events lie on two heaps. Those of the *outside* (network, broker, devices) also happen while a
process waits for its disk, as in reality; those of *processes* wait until it is their turn.
"""

import hashlib
import heapq
import itertools
from collections.abc import Callable
from random import Random

from domain.instants import NS_PER_S, seconds

START_NS = 1_772_668_800 * NS_PER_S
"""Wall clock at the beginning of every simulation."""

STEPS_MAX = 400_000
"""Events after which a simulation counts as running in a circle."""


class InvariantError(AssertionError):
    """Something that must never happen happened."""


def require(holds: object, text: str) -> None:
    """Stop the simulation when an invariant does not hold."""
    if not holds:
        raise InvariantError(text)


class World:
    """Clock, dice, agenda and trace.

    Parameters
    ----------
    seed
        The only source of chance.
    show
        Called with every line of the trace.

    Attributes
    ----------
    now_ns
        True time since the beginning.
    wall_skew_ns
        What the clock of our machine shows besides.
    calm
        The faults are over, slow networks included.
    """

    def __init__(self, seed: int, show: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.now_ns = 0
        self.wall_skew_ns = 0
        self.calm = False
        self._show = show
        self._digest = hashlib.blake2b(digest_size=16)
        self._number = itertools.count()
        self._outside: list[tuple[int, int, Callable[[], None]]] = []
        self._processes: list[tuple[int, int, Callable[[], None]]] = []
        self._steps = 0

    def dice(self, name: str) -> Random:
        """Chance of one part of the world: another part that rolls more often changes nothing."""
        return Random(f"{self.seed}/{name}")

    def true_ns(self) -> int:
        """Wall clock of a machine whose clock is right."""
        return START_NS + self.now_ns

    def wall_ns(self) -> int:
        """Wall clock of our machine."""
        return START_NS + self.now_ns + self.wall_skew_ns

    @property
    def now_s(self) -> float:
        """True time since the beginning [s]."""
        return self.now_ns / NS_PER_S

    def say(self, actor: str, text: str) -> None:
        """Add a line to the trace."""
        line = f"{self.now_s:10.4f} {actor:<8} {text}"
        self._digest.update(line.encode())
        if self._show is not None:
            self._show(line)

    def trace_id(self) -> str:
        """Digest of the trace so far."""
        return self._digest.hexdigest()

    def after(self, delay_s: float, action: Callable[[], None], *, process: bool = False) -> None:
        """Let something happen later."""
        heap = self._processes if process else self._outside
        heapq.heappush(heap, (self.now_ns + seconds(delay_s), next(self._number), action))

    def run(self, until_s: float, done: Callable[[], bool] = lambda: False) -> None:
        """Let time pass up to an instant, or until ``done``."""
        until_ns = seconds(until_s)
        while not done():
            heaps = [heap for heap in (self._outside, self._processes) if heap]
            heap = min(heaps, key=lambda heap: heap[0][:2], default=None)
            if heap is None or heap[0][0] > until_ns:
                self.now_ns = max(self.now_ns, until_ns)
                return
            self._next(heap)

    def wait(self, duration_s: float) -> None:
        """Let a process wait for its disk: the outside goes on meanwhile."""
        until_ns = self.now_ns + seconds(duration_s)
        while self._outside and self._outside[0][0] <= until_ns:
            self._next(self._outside)
        self.now_ns = max(self.now_ns, until_ns)

    def _next(self, heap: list[tuple[int, int, Callable[[], None]]]) -> None:
        self._steps += 1
        require(self._steps <= STEPS_MAX, "the simulation runs in a circle")
        at_ns, _, action = heapq.heappop(heap)
        self.now_ns = max(self.now_ns, at_ns)
        action()
