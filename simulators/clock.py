"""Virtual time of a simulated world: a start and a count of fixed steps."""

from domain.instants import NS_PER_S

STEPS_PER_S = 5
"""Simulation steps in a second."""

STEP_S = 1.0 / STEPS_PER_S
"""Length of a step: shorter than a door zone at 1 m/s, and what a terminal samples at."""

STEP_NS = NS_PER_S // STEPS_PER_S


class Clock:
    """Where a world stands; everything in it reads this one clock.

    Attributes
    ----------
    steps
        Steps since the start.
    now_s
        Seconds since the start of the world.
    now_ns
        Instant in nanoseconds since the epoch.
    """

    __slots__ = ("now_ns", "now_s", "start_ns", "steps")

    def __init__(self, start_ns: int) -> None:
        self.start_ns = start_ns
        self.steps = 0
        self.now_s = 0.0
        self.now_ns = start_ns

    def advance(self, steps: int = 1) -> None:
        """Go one step on, or several."""
        self.steps += steps
        self.now_s = self.steps / STEPS_PER_S
        self.now_ns = self.start_ns + self.steps * STEP_NS
