"""`World`: the devices of a scenario, what befalls them, and the messages they send.

Everything is decided by scenario, seed and start: the same three give the same messages byte for
byte, in whatever portions `World.step` is asked for them.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np

from domain.equipment import Equipment, Firm, Kind
from domain.instants import SHANGHAI, seconds, to_datetime
from simulators.boiler import Boilers
from simulators.boiler_scripts import BOILER_SCRIPTS
from simulators.boiler_terminal import BoilerReporter
from simulators.clock import STEP_NS, STEP_S, STEPS_PER_S, Clock
from simulators.crane import CYCLES_PER_YEAR, Cranes
from simulators.crane_scripts import CRANE_SCRIPTS
from simulators.crane_terminal import CraneReporter
from simulators.draw import draw_entries
from simulators.drawn import DAYS_PER_YEAR
from simulators.escalator import EscalatorReporter, Escalators
from simulators.escalator_scripts import ESCALATOR_SCRIPTS
from simulators.lift import Lifts
from simulators.lift_scripts import LIFT_SCRIPTS
from simulators.lift_terminal import LiftReporter
from simulators.outgoing import Outgoing
from simulators.parts import Part
from simulators.registry import firms, populate
from simulators.scenario import PRIME_WITHIN_S, Entry, Scenario, device_slot
from simulators.stage import Script, Stage
from simulators.terminal import Terminals
from simulators.terminal_scripts import TERMINAL_SCRIPTS
from simulators.truth import Statistic, Truth, TruthNote
from simulators.vessel import VesselReporter, Vessels
from simulators.vessel_scripts import VESSEL_SCRIPTS

PRIMED_BELOW_RATED_MPA = 0.06
PRIMED_LEVEL_MM = -36.0
"""Boilers of early entries start this close to the rated pressure and to the pump's start level."""


_PRESSURE_OR_WATER = frozenset(
    {
        "overpressure",
        "low_water_firing",
        "limiter_defeated",
        "safety_valve_stuck",
        "feed_pump_failure",
        "pressure_hunting",
    }
)
_LOADS = frozenset(
    {
        "overload",
        "limiter_defeated",
        "shock_load",
        "side_pull",
        "brake_slip",
        "lost_load",
        "shock_at_lift_off",
    }
)
"""Injections that act sooner when the machine starts near them."""

_T = TypeVar("_T")


class _Reporter(Protocol):
    """What the terminals of one kind say each second."""

    def report(self, now_s: float) -> None:
        """Send what is due."""


@dataclass(slots=True)
class _Running:
    """An entry that has begun.

    Parameters
    ----------
    number
        Of all that have begun.
    device
        Device that a physical entry has to itself; ``None`` for another entry.
    """

    wake_s: float
    number: int
    device: int | None
    script: Script

    def goes_on(self, now_s: float) -> bool:
        """Resume the script; whether it has not ended."""
        try:
            wake_s = next(self.script)
        except StopIteration:
            return False
        self.wake_s = now_s if wake_s is None else wake_s
        return True


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
    part
        Devices to simulate, of `parts`; default all. A part's devices live their own lives, so a
        world in parts does not send what the whole world sends, but each part is reproducible.
    crane_reporter
        Makes what takes the samples of cranes; default their terminals.

    Attributes
    ----------
    scenario
        With the drawn entries behind the written ones.
    dropped
        Drawn entries left out, because they would have overlapped.
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        start_ns: int,
        *,
        part: Part | None = None,
        crane_reporter: Callable[..., CraneReporter] = CraneReporter,
    ) -> None:
        self.seed = seed
        self._crane_reporters = crane_reporter
        self.start_ns = start_ns
        self._clock = Clock(start_ns)
        streams = np.random.default_rng(seed).spawn(12)
        start = to_datetime(start_ns).astimezone(SHANGHAI)
        self._population = populate(scenario, streams[0], start.date())
        drawn = draw_entries(scenario, self._population.equipment, streams[8])
        self.dropped = drawn.dropped
        self.scenario = replace(scenario, entries=(*scenario.entries, *drawn.entries))
        part = Part.whole(scenario.fleet) if part is None else part
        if part.number:
            streams = np.random.default_rng([seed, part.number]).spawn(12)
        self._equipment = part.of(self._population.equipment, scenario.fleet)
        self._part = part
        self._first = part.first_devices()
        self._make_models(streams, start.hour + start.minute / 60.0)
        own = {one.id for one in self._equipment}
        self._notes = [
            TruthNote(entry, place=place)
            for place, entry in enumerate(self.scenario.entries)
            if entry.equipment_id in own
        ]
        self._waiting = sorted(self._notes, key=lambda note: -note.entry.start_s)
        self._postponed: list[TruthNote] = []
        # By when they go on, then by when they began: plain numbers compare fastest.
        self._running: list[tuple[float, int, _Running]] = []
        self._resting: list[_Running] = []
        self._taken: set[int | None] = set()
        self._begun_count = 0
        self._unproven: list[TruthNote] = []
        self._begun = False
        self._prime()

    def _make_models(self, streams: Sequence[np.random.Generator], start_hour: float) -> None:
        def own(kind: Kind, designs: Sequence[_T]) -> Sequence[_T]:
            slots = self._part.slots[kind]
            return designs[slots.start : slots.stop]

        reports = self.scenario.reports
        self._terminals = Terminals(
            [(one.kind, one.id) for one in self._equipment],
            self._clock,
            streams[1],
            heartbeat_s=reports.heartbeat_s,
        )
        people = self._population
        first, terminals = self._first, self._terminals
        self._lifts = Lifts(own(Kind.LIFT, people.lifts), streams[2], start_hour=start_hour)
        self._boilers = Boilers(own(Kind.BOILER, people.boilers), streams[3])
        work = self.scenario.work
        self._cranes = Cranes(
            own(Kind.CRANE, people.cranes),
            streams[4],
            pause_s=work.crane_pause_s,
            lift_m=work.crane_lift_m,
        )
        self._escalators = Escalators(own(Kind.ESCALATOR, people.escalators), streams[9])
        self._vessels = Vessels(own(Kind.VESSEL, people.vessels), streams[10])
        self._lift_reporter = LiftReporter(self._lifts, terminals, first[Kind.LIFT], streams[5])
        self._boiler_reporter = BoilerReporter(
            self._boilers, terminals, first[Kind.BOILER], streams[6]
        )
        self._crane_reporter = self._crane_reporters(
            self._cranes,
            terminals,
            first[Kind.CRANE],
            streams[7],
            samples_per_s=round(reports.crane_hz),
        )
        slow = streams[11].spawn(2)
        self._escalator_reporter = EscalatorReporter(
            self._escalators, terminals, first[Kind.ESCALATOR], slow[0]
        )
        self._vessel_reporter = VesselReporter(
            self._vessels, terminals, first[Kind.VESSEL], slow[1]
        )
        self._slow_reporters: tuple[_Reporter, ...] = (
            self._boiler_reporter,
            self._crane_reporter,
            self._escalator_reporter,
            self._vessel_reporter,
        )
        self._resend = {
            Kind.LIFT: self._lift_reporter.resend,
            Kind.BOILER: self._boiler_reporter.resend,
            Kind.CRANE: self._crane_reporter.resend,
            Kind.ESCALATOR: self._escalator_reporter.resend,
            Kind.VESSEL: self._vessel_reporter.resend,
        }
        self._crane_steps = max(1, round(reports.crane_hz) // STEPS_PER_S)
        fast = len(self._lifts) or (len(self._cranes) and reports.crane_hz > 1)
        self._stride = 1 if fast else STEPS_PER_S

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
        return self._equipment

    def firms(self) -> tuple[Firm, ...]:
        """Maintenance firms that the rows name."""
        return firms()

    def truth(self) -> tuple[Truth, ...]:
        """What really happened so far, in the order of the scenario's entries."""
        return tuple(note.truth() for note in self._notes)

    def places(self) -> tuple[int, ...]:
        """Place of each line of `truth` within the scenario's entries."""
        return tuple(note.place for note in self._notes)

    def statistics(self) -> tuple[Statistic, ...]:
        """True counts since the start: traffic of lifts, hoisting cycles and load of cranes."""
        first = self._first[Kind.CRANE]
        span = {"from_ns": self.start_ns, "to_ns": self.now_ns}
        lines = self._traffic(span)
        for slot in range(len(self._cranes)):
            crane_id = self._equipment[first + slot].id
            cycles, k_p = int(self._cranes.cycles[slot]), self._cranes.k_p(slot)
            lines.append(
                Statistic(statistic="hoist_cycles", equipment_id=crane_id, value=cycles, **span)
            )
            days = cycles / CYCLES_PER_YEAR * DAYS_PER_YEAR
            lines.append(
                Statistic(statistic="traffic_days", equipment_id=crane_id, value=days, **span)
            )
            if k_p is not None:
                lines.append(
                    Statistic(
                        statistic="load_spectrum_kp", equipment_id=crane_id, value=k_p, **span
                    )
                )
        return tuple(lines)

    def _traffic(self, span: Mapping[str, int]) -> list[Statistic]:
        first, lines = self._first[Kind.LIFT], list[Statistic]()
        for slot, design in enumerate(self._lifts.designs):
            lift_id = self._equipment[first + slot].id
            trips = float(self._lifts.served[slot])
            days = trips / design.trips_per_day
            lines.append(Statistic(statistic="trips", equipment_id=lift_id, value=trips, **span))
            lines.append(
                Statistic(statistic="traffic_days", equipment_id=lift_id, value=days, **span)
            )
        return lines

    def step(self, until_ns: int) -> list[Outgoing]:
        """Messages that reach the broker up to ``until_ns`` and were not given before, in order."""
        if not self._begun:
            self._begun = True
            self._act(0.0)
            self._report()
        stride_ns = self._stride * STEP_NS
        while self._clock.now_ns + stride_ns <= until_ns:
            self._clock.advance(self._stride)
            self._advance()
        return self._terminals.drain(min(until_ns, self._clock.now_ns + stride_ns))

    def outgoing(self, duration_s: float | None = None) -> Iterator[Outgoing]:
        """All messages of the first ``duration_s`` seconds (default: the scenario's), lazily."""
        length_s = self.scenario.duration_s if duration_s is None else duration_s
        end_ns = self.start_ns + seconds(length_s)
        until_ns = self.start_ns
        while until_ns < end_ns:
            until_ns = min(until_ns + self._stride * STEP_NS, end_ns)
            yield from self.step(until_ns)

    def _advance(self) -> None:
        now_s = self._clock.now_s
        whole_second = self._clock.steps % STEPS_PER_S == 0
        if len(self._lifts):
            self._lifts.step(now_s)
        if whole_second:
            self._step_slow(now_s)
        if len(self._cranes) and (whole_second or self._crane_reporter.fast):
            self._step_cranes(now_s)
        self._act(now_s)
        self._report()
        self._note_evidence()

    def _step_slow(self, now_s: float) -> None:
        for model in (self._boilers, self._escalators, self._vessels):
            if len(model):
                model.step(now_s)

    def _step_cranes(self, now_s: float) -> None:
        """Step once, or in the smaller steps at which a fast terminal samples."""
        if not self._crane_reporter.fast:
            self._cranes.step(now_s)
            return
        for left in range(self._crane_steps - 1, -1, -1):
            self._cranes.step(now_s - left * STEP_S / self._crane_steps)
            self._crane_reporter.sample(self._clock.now_ns - left * STEP_NS // self._crane_steps)

    def _report(self) -> None:
        now_s = self._clock.now_s
        self._terminals.beat()
        if len(self._lifts):
            self._lift_reporter.report(now_s)
        if self._clock.steps % STEPS_PER_S == 0:
            for reporter in self._slow_reporters:
                reporter.report(now_s)

    def _act(self, now_s: float) -> None:
        while self._waiting and self._waiting[-1].entry.start_s <= now_s:
            self._postponed.append(self._waiting.pop())
        if self._postponed:
            self._begin(now_s)
        while self._running and self._running[0][0] <= now_s:
            run = heapq.heappop(self._running)[2]
            if run.goes_on(now_s):
                self._resting.append(run)
            else:
                self._taken.discard(run.device)
        for run in self._resting:
            heapq.heappush(self._running, (run.wake_s, run.number, run))
        self._resting.clear()

    def _begin(self, now_s: float) -> None:
        """Begin what is due; a physical entry waits for another one of its device to end."""
        due, self._postponed = self._postponed, []
        for note in due:
            stage = self._stage(note)
            device = stage.device if note.entry.injection.physical else None
            if device in self._taken:
                if note.entry.end_s > now_s:
                    self._postponed.append(note)
                continue
            if device is not None:
                self._taken.add(device)
            if not note.entry.injection.nuisance:
                self._unproven.append(note)
            self._begun_count += 1
            run = _Running(now_s, self._begun_count, device, self._script(stage))
            heapq.heappush(self._running, (run.wake_s, run.number, run))

    def _note_evidence(self) -> None:
        if not self._unproven:
            return
        for note in self._unproven:
            if note.evident and not note.over:
                _, _, device = self._place(note.entry)
                if not self._terminals.members[device].silent:
                    note.evidence_from_ns = self._clock.now_ns
            note.over = note.to_ns is not None
        self._unproven = [n for n in self._unproven if n.evidence_from_ns is None and not n.over]

    def _place(self, entry: Entry) -> tuple[Kind, int, int]:
        """Kind, slot within the kind's model, and device within the terminals."""
        kind, slot = device_slot(entry.equipment_id, self.scenario.fleet)
        own = slot - self._part.slots[kind].start
        return kind, own, self._first[kind] + own

    def _stage(self, note: TruthNote) -> Stage:
        kind, slot, device = self._place(note.entry)
        return Stage(
            entry=note.entry,
            slot=slot,
            device=device,
            clock=self._clock,
            terminals=self._terminals,
            note=note,
            resend=self._resend[kind],
        )

    def _script(self, stage: Stage) -> Script:
        what = stage.entry.what
        if what in TERMINAL_SCRIPTS:
            return TERMINAL_SCRIPTS[what](stage)
        kind = stage.terminal.kind
        if kind is Kind.LIFT:
            return LIFT_SCRIPTS[what](stage, self._lifts)
        if kind is Kind.BOILER:
            return BOILER_SCRIPTS[what](stage, self._boilers)
        if kind is Kind.CRANE:
            return CRANE_SCRIPTS[what](stage, self._cranes)
        if kind is Kind.ESCALATOR:
            return ESCALATOR_SCRIPTS[what](stage, self._escalators)
        return VESSEL_SCRIPTS[what](stage, self._vessels)

    def _prime(self) -> None:
        for note in self._notes:
            if note.entry.start_s <= PRIME_WITHIN_S:
                self._prime_for(note.entry)

    def _prime_for(self, entry: Entry) -> None:
        kind, slot, _ = self._place(entry)
        if kind is Kind.BOILER and entry.what in _PRESSURE_OR_WATER:
            self._boilers.prime(
                slot, below_rated_mpa=PRIMED_BELOW_RATED_MPA, level_mm=PRIMED_LEVEL_MM
            )
        elif kind is Kind.CRANE and entry.what in _LOADS:
            self._cranes.prime(slot)
