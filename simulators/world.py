"""`World`: the devices of a scenario, what befalls them, and the messages they send.

Everything is decided by scenario, seed and start: the same three give the same messages byte for
byte, in whatever portions `World.step` is asked for them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from domain.equipment import Equipment, Firm, Kind
from domain.instants import SHANGHAI, seconds, to_datetime
from simulators.boiler import Boilers
from simulators.boiler_scripts import BOILER_SCRIPTS
from simulators.boiler_terminal import BoilerReporter
from simulators.clock import STEP_NS, STEPS_PER_S, Clock
from simulators.crane import Cranes
from simulators.crane_scripts import CRANE_SCRIPTS
from simulators.crane_terminal import CraneReporter
from simulators.lift import Lifts
from simulators.lift_scripts import LIFT_SCRIPTS
from simulators.lift_terminal import LiftReporter
from simulators.outgoing import Outgoing
from simulators.registry import firms, populate
from simulators.scenario import PRIME_WITHIN_S, Entry, Scenario, device_slot
from simulators.stage import Script, Stage
from simulators.terminal import Terminals
from simulators.terminal_scripts import TERMINAL_SCRIPTS
from simulators.truth import Truth, TruthNote

PRIMED_BELOW_RATED_MPA = 0.06
PRIMED_LEVEL_MM = -36.0
"""Boilers of early entries start this close to the rated pressure and to the pump's start level."""


@dataclass(slots=True)
class _Running:
    """An entry that has begun."""

    stage: Stage
    script: Script


class World:
    """A simulated district in virtual time.

    Parameters
    ----------
    scenario
        Fleet and entries.
    seed
        Decides everything random.
    start_ns
        Instant of the world's first step.
    """

    def __init__(self, scenario: Scenario, seed: int, start_ns: int) -> None:
        self.scenario = scenario
        self.seed = seed
        self.start_ns = start_ns
        self._clock = Clock(start_ns)
        streams = np.random.default_rng(seed).spawn(8)
        start = to_datetime(start_ns).astimezone(SHANGHAI)
        self._population = populate(scenario, streams[0], start.date())
        equipment = self._population.equipment
        self._terminals = Terminals([(e.kind, e.id) for e in equipment], self._clock, streams[1])
        self._lifts = Lifts(
            self._population.lifts, streams[2], start_hour=start.hour + start.minute / 60.0
        )
        self._boilers = Boilers(self._population.boilers, streams[3])
        self._cranes = Cranes(self._population.cranes, streams[4])
        size = scenario.fleet
        self._first = {
            Kind.LIFT: 0,
            Kind.BOILER: size.lifts,
            Kind.CRANE: size.lifts + size.boilers,
        }
        self._lift_reporter = LiftReporter(self._lifts, self._terminals, 0, streams[5])
        self._boiler_reporter = BoilerReporter(
            self._boilers, self._terminals, self._first[Kind.BOILER], streams[6]
        )
        self._crane_reporter = CraneReporter(
            self._cranes, self._terminals, self._first[Kind.CRANE], streams[7]
        )
        self._notes = [TruthNote(entry) for entry in scenario.entries]
        self._waiting = sorted(self._notes, key=lambda note: -note.entry.start_s)
        self._running: list[_Running] = []
        self._unproven: list[TruthNote] = []
        self._begun = False
        self._prime()

    @property
    def now_ns(self) -> int:
        """Instant of the last step."""
        return self._clock.now_ns

    @property
    def repeats(self) -> int:
        """Messages that were sent a second time on purpose: known duplicates for whoever counts."""
        return self._terminals.repeats

    def registry(self) -> tuple[Equipment, ...]:
        """Registry rows of the devices."""
        return self._population.equipment

    def firms(self) -> tuple[Firm, ...]:
        """Maintenance firms that the rows name."""
        return firms()

    def truth(self) -> tuple[Truth, ...]:
        """What really happened so far, in the order of the scenario's entries."""
        return tuple(note.truth() for note in self._notes)

    def step(self, until_ns: int) -> list[Outgoing]:
        """Messages that reach the broker up to ``until_ns`` and were not given before, in order."""
        if not self._begun:
            self._begun = True
            self._act(0.0)
            self._report()
        while self._clock.now_ns + STEP_NS <= until_ns:
            self._clock.advance()
            self._advance()
        return self._terminals.drain(min(until_ns, self._clock.now_ns + STEP_NS))

    def outgoing(self, duration_s: float | None = None) -> Iterator[Outgoing]:
        """All messages of the first ``duration_s`` seconds (default: the scenario's), lazily."""
        length_s = self.scenario.duration_s if duration_s is None else duration_s
        end_ns = self.start_ns + seconds(length_s)
        until_ns = self.start_ns
        while until_ns < end_ns:
            until_ns = min(until_ns + STEP_NS, end_ns)
            yield from self.step(until_ns)

    def _advance(self) -> None:
        now_s = self._clock.now_s
        whole_second = self._clock.steps % STEPS_PER_S == 0
        if len(self._lifts):
            self._lifts.step(now_s)
        if whole_second and len(self._boilers):
            self._boilers.step(now_s)
        if len(self._cranes):
            self._cranes.step(now_s)
        self._act(now_s)
        self._report()
        self._note_evidence()

    def _report(self) -> None:
        now_s = self._clock.now_s
        self._terminals.beat()
        if len(self._lifts):
            self._lift_reporter.report(now_s)
        if self._clock.steps % STEPS_PER_S == 0:
            self._boiler_reporter.report(now_s)
            self._crane_reporter.report(now_s)

    def _act(self, now_s: float) -> None:
        while self._waiting and self._waiting[-1].entry.start_s <= now_s:
            note = self._waiting.pop()
            self._unproven.append(note)
            stage = self._stage(note)
            self._running.append(_Running(stage, self._script(stage)))
        self._running = [run for run in self._running if _goes_on(run.script)]

    def _note_evidence(self) -> None:
        for note in self._unproven:
            if note.evident and not note.over:
                kind, slot = device_slot(note.entry.equipment_id, self.scenario.fleet)
                if not self._terminals.members[self._first[kind] + slot].silent:
                    note.evidence_from_ns = self._clock.now_ns
            note.over = note.to_ns is not None
        self._unproven = [n for n in self._unproven if n.evidence_from_ns is None and not n.over]

    def _stage(self, note: TruthNote) -> Stage:
        kind, slot = device_slot(note.entry.equipment_id, self.scenario.fleet)
        resend = {
            Kind.LIFT: self._lift_reporter.resend,
            Kind.BOILER: self._boiler_reporter.resend,
            Kind.CRANE: self._crane_reporter.resend,
        }[kind]
        return Stage(
            entry=note.entry,
            slot=slot,
            device=self._first[kind] + slot,
            clock=self._clock,
            terminals=self._terminals,
            note=note,
            resend=resend,
        )

    def _script(self, stage: Stage) -> Script:
        what = stage.entry.what
        if what in TERMINAL_SCRIPTS:
            return TERMINAL_SCRIPTS[what](stage)
        if what in LIFT_SCRIPTS:
            return LIFT_SCRIPTS[what](stage, self._lifts)
        if what in BOILER_SCRIPTS:
            return BOILER_SCRIPTS[what](stage, self._boilers)
        return CRANE_SCRIPTS[what](stage, self._cranes)

    def _prime(self) -> None:
        for entry in self.scenario.entries:
            if entry.start_s <= PRIME_WITHIN_S:
                self._prime_for(entry)

    def _prime_for(self, entry: Entry) -> None:
        _, slot = device_slot(entry.equipment_id, self.scenario.fleet)
        if entry.what in {"overpressure", "low_water_firing"}:
            self._boilers.prime(
                slot, below_rated_mpa=PRIMED_BELOW_RATED_MPA, level_mm=PRIMED_LEVEL_MM
            )
        elif entry.what in {"overload", "shock_at_lift_off"}:
            self._cranes.prime(slot)


def _goes_on(script: Script) -> bool:
    try:
        next(script)
    except StopIteration:
        return False
    return True
