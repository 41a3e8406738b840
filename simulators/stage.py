"""Scripts of injections: generators that act on one device, step by step.

A script is resumed at most once a simulation step, after the models have moved and before the
terminals report, so what it changes shows in the same step's messages.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from domain.readings import Stream
from simulators.clock import Clock
from simulators.scenario import Entry
from simulators.terminal import Terminal, Terminals
from simulators.truth import TruthNote

Script = Generator[float | None, None, None]
"""A running injection; it goes on in the next step, or first at the instant [s] that it yields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a script sees of the world.

    Parameters
    ----------
    slot
        Device within its kind's model.
    device
        Device within `Terminals`.
    resend
        Makes the device's model send a full snapshot at its next report.
    """

    entry: Entry
    slot: int
    device: int
    clock: Clock
    terminals: Terminals
    note: TruthNote
    resend: Callable[[int], None]

    @property
    def terminal(self) -> Terminal:
        """The device's terminal."""
        return self.terminals.members[self.device]

    @property
    def over(self) -> bool:
        """Whether the entry's time has run out."""
        return self.clock.now_s >= self.entry.end_s

    def begins(self) -> None:
        """The condition begins in this step."""
        self.note.from_ns = self.clock.now_ns

    def ends(self) -> None:
        """The condition ends in this step, if it ever began."""
        if self.note.from_ns is not None:
            self.note.to_ns = self.clock.now_ns

    def evident(self) -> None:
        """From now on the device's data show the condition."""
        self.note.evident = True

    def code(self, stream: Stream, code: str, *, active: bool) -> None:
        """Send a fault or event code."""
        self.terminals.send(self.device, stream, {"code": code, "active": active})

    def press_alarm(self) -> None:
        """Somebody presses the alarm button."""
        self.terminals.send(self.device, Stream.EVENT, {"code": "90"})


def hold(stage: Stage) -> Script:
    """Wait until the entry's time has run out."""
    if not stage.over:
        yield stage.entry.end_s


def pause(stage: Stage, duration_s: float) -> Script:
    """Wait for a while."""
    end_s = stage.clock.now_s + duration_s
    while stage.clock.now_s < end_s:
        yield end_s
