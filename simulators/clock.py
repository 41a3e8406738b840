"""Virtual time of a simulated world: a start and a count of fixed steps."""

from dataclasses import dataclass

from domain.instants import NS_PER_S

STEPS_PER_S = 5
"""Simulation steps in a second."""

STEP_S = 1.0 / STEPS_PER_S
"""Length of a step: shorter than a door zone at 1 m/s, and what a terminal samples at."""

STEP_NS = NS_PER_S // STEPS_PER_S


@dataclass(slots=True)
class Clock:
    """Where a world stands; everything in it reads this one clock."""

    start_ns: int
    steps: int = 0

    @property
    def now_s(self) -> float:
        """Seconds since the start of the world."""
        return self.steps / STEPS_PER_S

    @property
    def now_ns(self) -> int:
        """Instant in nanoseconds since the epoch."""
        return self.start_ns + self.steps * STEP_NS

    def advance(self) -> None:
        """Go one step on."""
        self.steps += 1
