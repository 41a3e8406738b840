"""Everything that the bank keeps for one kind: shared state, detectors, timers, and due times."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from detectors import catalog, clock, silence
from detectors.base import Context, Staged
from detectors.claims import At, Claims, at_rows
from detectors.codes import ActiveCodes, CodesParameters, table_index
from detectors.crane_duty import CraneDuty, DutyReport
from detectors.current import NEVER, Bools, Current, Devices, Floats, Ints, Rows
from detectors.due import LATE_SETTLE_NS, DueTimes
from detectors.lift_history import SPEED_LIMITS, WATCHED, LiftHistory, contradicted
from detectors.parts import Part, array_of, fits, overwrite
from detectors.stages import Stages
from domain.channels import CHANNELS, COLUMNS
from domain.equipment import Fleet, Kind
from domain.findings import Finding, Phase
from domain.incidents import RESCUE, IncidentKind, case_of
from domain.instants import seconds
from domain.readings import Quality, ReadingBatch

HOLE_NS = seconds(60)
"""A live row this far ahead of late ones leaves a hole in what is known (ours)."""

LOOK_NS = seconds(60)
"""A device that only repeats itself is judged anew this often (ours): what depends on time alone,
such as how long ago an alarm was, is at most so old. Hold timers do not wait for it."""

# Plain integers: an array meets an enum member by a slow path.
_CLOCK_STEP, _RETAINED, _LATE = (
    int(flag) for flag in (Quality.CLOCK_STEP, Quality.RETAINED, Quality.LATE)
)
_CLOCK_WRONG, _REBOOTED = int(Quality.CLOCK_WRONG), int(Quality.REBOOTED)


class KindEngine:
    """Detectors of one kind over n devices.

    Parameters
    ----------
    only
        Settings tables of the detectors that run; ``None`` = all.
    """

    def __init__(
        self,
        kind: Kind,
        overrides: Mapping[str, Mapping[str, float]],
        only: Collection[str] | None = None,
    ) -> None:
        self._kind = kind
        self._ids: tuple[str, ...] = ()
        self._current = Current(kind)
        self._codes = ActiveCodes(kind)
        self._history = LiftHistory()
        self._context = Context(self._current, self._codes, self._history)
        self._claims = Claims(self._context)
        self._silence = silence.Silence()
        self._clocks = clock.Clocks()
        self._duty: CraneDuty | None = None
        if kind is Kind.CRANE and only is None:
            self._duty = CraneDuty(catalog.parameters_of(catalog.DUTY_SETTINGS, overrides))
        self._codes_parameters: CodesParameters = catalog.parameters_of(
            catalog.CODES_SETTINGS, overrides
        )
        self._staged: list[tuple[Staged, Stages]] = [
            (detector, Stages())
            for name, (_, make) in catalog.STAGED.items()
            if only is None or name in only
            for detector in make(catalog.parameters_of(name, overrides))
            if kind in detector.kinds
        ]
        self._watched = self._watched_channels()
        stages = [stages for _, stages in self._staged]
        self._due = DueTimes(self._current, self._silence, stages)
        self._vocabulary: tuple[str, ...] = ()
        self._table_index: NDArray[np.int32] = np.array([-1], dtype=np.int32)

    @property
    def due_ns(self) -> int:
        """Received time before which a tick changes nothing."""
        return self._due.first_ns

    def grow(self, fleet: Fleet) -> None:
        """Take over a possibly larger fleet."""
        self._ids = self._claims.ids = fleet.ids[self._kind]
        n = len(self._ids)
        self._current.grow(fleet.rating(self._kind, "report_interval_s"))
        self._codes.grow(n)
        self._silence.grow(n)
        self._clocks.grow(n)
        if self._kind is Kind.LIFT:
            self._history.grow(fleet)
        if self._duty is not None:
            self._duty.grow(fleet)
        for detector, stages in self._staged:
            detector.grow(fleet, self._kind)
            stages.grow(n)
        self._due.grow(n)

    def arrays(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """State by name, for a snapshot."""
        for prefix, part in self._parts():
            for name in part.arrays():
                yield f"{prefix}/{name}", array_of(part, name)

    def claims(self) -> Iterator[tuple[str, IncidentKind]]:
        """Name in findings and incident kind of every staged detector that runs."""
        return ((detector.name, detector.incident) for detector, _ in self._staged)

    def standing(self) -> Iterator[tuple[str, IncidentKind]]:
        """Equipment and incident kind of every case that a staged detector holds open."""
        for detector, stages in self._staged:
            for device in np.flatnonzero(stages.level):
                yield self._ids[device], detector.incident

    def known_devices(self) -> int:
        """Devices whose values are known at the moment."""
        return int(np.count_nonzero(self._current.known))

    def restore(self, saved: Mapping[str, NDArray[np.generic]], *, partly: bool = False) -> None:
        """Continue from saved arrays; devices that joined later keep their fresh state.

        Parameters
        ----------
        partly
            The arrays are those of other detectors or parameters: what is not among them, or has
            another form, stays fresh.
        """
        for prefix, part in self._parts():
            if partly and not fits(part, prefix, saved):
                continue
            for name in part.arrays():
                overwrite(array_of(part, name), saved[f"{prefix}/{name}"])
        self._due.look()
        if partly:
            # Whatever a device says next, it is judged by the new rules.
            self._current.judged_ns[:] = NEVER
            device = np.arange(len(self._ids), dtype=np.int32)
            self._due.refresh_timers(device)
            self._due.refresh(device)

    def duty(self, slot: int) -> DutyReport | None:
        """Duty of a crane so far, ``None`` for other kinds."""
        return None if self._duty is None else self._duty.report(slot)

    def heard_ns(self, slot: int) -> int | None:
        """Received time of a device's last sign of life, ``None`` when it was never heard."""
        return int(self._current.heard_ns[slot]) or None

    def skip(self, gap_ns: int) -> None:
        """Leave out a time in which we were away."""
        self._current.skip(gap_ns)
        self._due.refresh(np.arange(len(self._ids), dtype=np.int32))

    def step(self, batch: ReadingBatch, selected: Ints) -> list[Finding]:
        """Take in one round."""
        usable, old = self._by_age(batch, selected)
        findings = self._old(batch, old)
        if not len(usable):
            return findings
        was_known = self._current.known[batch.device[usable]]
        self._remember(batch, usable)
        rows = self._rows(batch, usable)
        findings += self._before(batch, usable, rows)
        timed = self._apply(batch, usable, rows, was_known)
        findings += self._elapse(at_rows(timed, self._due.timers(timed)))
        findings += self._direct(rows)
        self._due.refresh(rows.device)
        return findings

    def _by_age(self, batch: ReadingBatch, selected: Ints) -> tuple[Ints, Ints]:
        """Rows to judge, and those that are history: retained, or late and overtaken."""
        quality = batch.quality[selected]
        if not (quality & (_RETAINED | _LATE)).any():
            return selected, selected[:0]
        superseded = self._superseded(batch.device[selected], batch.event_time_ns[selected])
        old = ((quality & _RETAINED) != 0) | (((quality & _LATE) != 0) & superseded)
        return selected[~old], selected[old]

    def _remember(self, batch: ReadingBatch, usable: Ints) -> None:
        """Bring back values of devices that were unknown only because we did not hear them."""
        usable = usable[~self._current.known[batch.device[usable]]]
        quality, device = batch.quality[usable], batch.device[usable]
        late = (quality & _LATE) != 0
        self._current.recall(device[late], batch.event_time_ns[usable][late])
        again = ~late & ((quality & _REBOOTED) == 0) & (batch.online[usable] != 0)
        received_ns = batch.received_at_ns[usable]
        self._current.renew(device[again], received_ns[again])
        if self._kind is Kind.LIFT:
            gone = ~late & (received_ns >= self._current.stale_at_ns(device))
            self._come_back(device[gone])

    def _come_back(self, device: Devices) -> None:
        """Lifts heard again after a silence: who was inside, unless trapped, may have left."""
        trapped = np.zeros(len(device), dtype=np.bool_)
        for detector, stages in self._staged:
            if case_of(detector.incident) == RESCUE:
                trapped |= stages.busy[device]
        self._history.forget(device[~trapped])

    def _forget_story(self, rows: Rows) -> None:
        """A live row that overtakes a buffer leaves a hole: who was inside may have left in it."""
        row = np.flatnonzero(~rows.late & (self._current.late_ns[rows.device] != NEVER))
        device = rows.device[row]
        hole = rows.event_ns[row] - self._current.last_event_ns[device] > HOLE_NS
        self._history.forget(device[hole])

    def _superseded(self, device: Devices, event_ns: Ints) -> Bools:
        """Rows older than what their device has said since."""
        return np.asarray(event_ns < self._current.last_event_ns[device])

    def _old(self, batch: ReadingBatch, usable: Ints) -> list[Finding]:
        """Take in history, retained or overtaken by newer rows: only an alarm still matters."""
        if not len(usable):
            return []
        rows = self._rows(batch, usable)
        heard = (batch.quality[usable] & _RETAINED) == 0
        self._current.heard_ns[rows.device[heard]] = rows.received_ns[heard]
        new = self._codes.alarms(rows, self._codes_parameters)
        alarms = [self._claims.alarm(rows, row) for row in new]
        back = self._heard_again(rows, np.flatnonzero(heard))
        self._due.refresh(rows.device)
        return alarms + back

    def tick(self, now_ns: int, position: int) -> list[Finding]:
        """Let time pass for the devices that are due."""
        device = self._due.devices(now_ns)
        findings = self._settle(device, now_ns, position)
        ready = device[self._current.late_ns[device] == NEVER]
        findings += self._elapse(self._tick_at(ready, now_ns, position))
        findings += self._fall_silent(ready, now_ns, position)
        self._due.refresh(device)
        return findings

    def _before(self, batch: ReadingBatch, usable: Ints, rows: Rows) -> list[Finding]:
        """What the old state still has to say before rows are taken in."""
        stepped = np.flatnonzero((batch.quality[usable] & _CLOCK_STEP) != 0)
        if len(stepped):
            self._shift(rows.device[stepped], rows.event_ns[stepped], rows.received_ns[stepped])
        return self._elapse(at_rows(rows, self._due.timers(rows)))

    def _apply(self, batch: ReadingBatch, usable: Ints, rows: Rows, was_known: Bools) -> Rows:
        """Take rows in and judge; return those that moved a timer."""
        current, device = self._current, rows.device
        online = batch.online[usable] != 0
        if not online.all():
            current.forget(device[~online])
        current.known[device[online]] = True
        current.heard_ns[device[online]] = rows.received_ns[online]
        current.late_ns[device[rows.late]] = rows.received_ns[rows.late]
        if self._kind is Kind.LIFT:
            self._forget_story(rows)
        changed = current.apply(rows, batch.unknown[usable], self._watched)
        self._codes.observe(rows)
        if self._kind is Kind.LIFT:
            self._history.sample(rows, current)
        if self._duty is not None:
            self._duty.observe(rows, current)
        plain = was_known & rows.live & (batch.quality[usable] == 0) & ~changed
        telling = rows.at(self._telling(rows, plain))
        if self._kind is Kind.LIFT:
            self._history.observe(telling, current)
        return self._judge(rows, telling)

    def _telling(self, rows: Rows, plain: Bools) -> Ints:
        """Rows that do more than repeat what their device said a moment ago.

        Parameters
        ----------
        plain
            bool[m], nothing watched changed, and nothing is odd about the row.
        """
        current, device = self._current, rows.device
        silent = plain & (rows.code < 0) & (current.late_ns[device] == NEVER)
        silent &= ~self._codes.standing[device]
        silent &= rows.event_ns - current.judged_ns[device] < LOOK_NS
        if self._kind is Kind.LIFT:
            silent &= ~contradicted(current, device)
        telling = np.flatnonzero(~silent)
        current.judged_ns[device[telling]] = rows.event_ns[telling]
        return telling

    def _watched_channels(self) -> Mapping[int, Floats]:
        """Limits of the channels of detectors that do not look at every row; none = any change."""
        wanted: dict[str, list[tuple[float, ...]]] = {}
        shared = WATCHED if self._kind is Kind.LIFT else ()
        for name in shared:
            wanted.setdefault(name, []).append(SPEED_LIMITS.get(name, ()))
        for detector, _ in self._staged:
            for name in () if detector.every_row else detector.channels:
                wanted.setdefault(name, []).append(detector.limits.get(name, ()))
        return {
            COLUMNS[self._kind][name]: np.unique(sum(limits, ())) if all(limits) else np.empty(0)
            for name, limits in wanted.items()
        }

    def _judge(self, rows: Rows, telling: Rows) -> Rows:
        """Let detectors judge, and return the rows that moved a timer."""
        moved = np.zeros(len(self._ids), dtype=np.bool_)
        for detector, stages in self._staged:
            seen = rows if detector.every_row else telling
            if not len(seen.device):
                continue
            judged = detector.judge(seen, self._context)
            touched = stages.update(
                seen.device,
                seen.event_ns,
                standing=judged.standing,
                hold_ns=judged.hold_ns,
                over=judged.over,
                over_hold_ns=judged.over_hold_ns,
                known=judged.known,
                onset_ns=judged.onset_ns,
            )
            moved[seen.device[touched]] = True
        timed = rows.at(np.flatnonzero(moved[rows.device]))
        self._due.refresh_timers(timed.device)
        return timed

    def _elapse(self, at: At) -> list[Finding]:
        """Run hold timers up to the devices' event times."""
        findings: list[Finding] = []
        if not len(at.device):
            return findings
        for detector, stages in self._staged:
            raised, ended = stages.elapse(at.device, at.event_ns)
            for phase, since, found in (
                (Phase.RAISED, stages.case_ns, raised),
                (Phase.ENDED, stages.over_ns, ended),
            ):
                findings += [
                    self._claims.timed(detector, stages, at, i, phase, int(since[at.device[i]]))
                    for i in found.tolist()
                ]
            stages.reset(at.device[ended])
            # Whatever they say next may end the case, or begin another.
            self._current.judged_ns[at.device[raised]] = NEVER
            self._current.judged_ns[at.device[ended]] = NEVER
        self._due.refresh_timers(at.device)
        return findings

    def _settle(self, device: Devices, now_ns: int, position: int) -> list[Finding]:
        """Judge what still stands at the end of late data."""
        late_ns = self._current.late_ns[device]
        over = device[(late_ns != NEVER) & (now_ns - late_ns >= LATE_SETTLE_NS)]
        m = len(over)
        at = At(
            over,
            self._current.last_event_ns[over],
            np.full(m, now_ns),
            np.full(m, position),
            late=True,
        )
        findings = self._elapse(at) + self._late_codes(at)
        self._current.late_ns[over] = NEVER
        return findings

    def _late_codes(self, at: At) -> list[Finding]:
        """Faults that late data left standing, or ended."""
        if not len(at.device):
            return []
        now_ns, position = int(at.received_ns[0]), int(at.position[0])
        rows = replace(self._no_report(at.device, now_ns, position), event_ns=at.event_ns)
        found = self._codes.faults(rows, self._current)
        late = replace(rows, late=np.ones(len(at.device), dtype=np.bool_))
        return [self._claims.code(late, *change) for change in found]

    def _fall_silent(self, device: Devices, now_ns: int, position: int) -> list[Finding]:
        current = self._current
        silent = self._silence.fall_silent(device, current, now_ns)
        stale = device[current.known[device] & (now_ns >= current.stale_at_ns(device))]
        if len(stale):
            rows = self._no_report(stale, now_ns, position)
            current.forget(stale)
            if self._kind is Kind.LIFT:
                self._history.observe(rows, current)
            self._judge(rows, rows)
        return [self._claims.silent(int(device[i]), now_ns, position) for i in silent]

    def _direct(self, rows: Rows) -> list[Finding]:
        """Findings that need no timer: codes, alarms, clocks, devices heard again."""
        findings = [
            self._claims.code(rows, *found) for found in self._codes.faults(rows, self._current)
        ]
        findings += [
            self._claims.alarm(rows, row)
            for row in self._codes.alarms(rows, self._codes_parameters)
        ]
        begins, ends = self._clocks.observe(rows)
        wrong = IncidentKind.CLOCK_WRONG
        findings += [
            self._claims.at_row(rows, int(i), clock.NAME, wrong, Phase.RAISED) for i in begins
        ]
        findings += [
            self._claims.at_row(rows, int(i), clock.NAME, wrong, Phase.ENDED) for i in ends
        ]
        return findings + self._heard_again(rows, np.flatnonzero(rows.live | rows.late))

    def _heard_again(self, rows: Rows, heard: Ints) -> list[Finding]:
        back = heard[self._silence.heard(rows.device[heard])]
        gone = IncidentKind.DEVICE_OFFLINE
        return [self._claims.at_row(rows, int(i), silence.NAME, gone, Phase.ENDED) for i in back]

    def _rows(self, batch: ReadingBatch, usable: Ints) -> Rows:
        quality, device = batch.quality[usable], batch.device[usable]
        late = (quality & _LATE) != 0
        event_ns = batch.event_time_ns[usable]
        code = self._known_codes(batch)[batch.code[usable]]
        return Rows(
            device=device,
            event_ns=event_ns,
            received_ns=batch.received_at_ns[usable],
            position=batch.position[usable],
            late=late,
            before=self._current.values[device],
            reported=batch.values[usable],
            code=code,
            active=batch.active[usable] == 1,
            clock_wrong=(quality & _CLOCK_WRONG) != 0,
            live=~late & (batch.online[usable] != 0),
        )

    def _no_report(self, device: Devices, now_ns: int, position: int) -> Rows:
        m = len(device)
        none = np.zeros(m, dtype=np.bool_)
        return Rows(
            device=device,
            event_ns=self._current.clock_ns(device, now_ns),
            received_ns=np.full(m, now_ns),
            position=np.full(m, position),
            late=none,
            before=self._current.values[device],
            reported=np.full((m, len(CHANNELS[self._kind])), np.nan),
            code=np.full(m, -1, dtype=np.int32),
            active=none,
            clock_wrong=none,
            live=none,
        )

    def _known_codes(self, batch: ReadingBatch) -> NDArray[np.int32]:
        """Table index by vocabulary index; the last entry stands for no code (index -1)."""
        if batch.vocabulary is not self._vocabulary:
            self._vocabulary = batch.vocabulary
            indices = [table_index(text) for text in batch.vocabulary]
            self._table_index = np.array([*indices, -1], dtype=np.int32)
        return self._table_index

    def _shift(self, device: Devices, event_ns: Ints, received_ns: Ints) -> None:
        """Move what is remembered onto the new time line of clocks that were judged anew."""
        seen = self._current.last_event_ns[device] != NEVER
        device, received_ns = device[seen], received_ns[seen]
        elapsed = received_ns - self._current.last_received_ns[device]
        by_ns = event_ns[seen] - (self._current.last_event_ns[device] + elapsed)
        self._current.shift(device, by_ns)
        for _, part in self._parts():
            if part is self._current:
                continue
            for name in part.times():
                array = array_of(part, name)
                move = by_ns.reshape(-1, *[1] * (array.ndim - 1))
                array[device] += np.where(array[device] != NEVER, move, 0)
        self._due.refresh_timers(device)

    def _tick_at(self, device: Devices, now_ns: int, position: int) -> At:
        m = len(device)
        event_ns = self._current.clock_ns(device, now_ns)
        return At(device, event_ns, np.full(m, now_ns), np.full(m, position), late=False)

    def _parts(self) -> list[tuple[str, Part]]:
        """Everything with arrays, by name."""
        shared: list[tuple[str, Part]] = [
            ("current", self._current),
            ("codes", self._codes),
            ("silence", self._silence),
            ("clock", self._clocks),
            ("due", self._due),
        ]
        if self._kind is Kind.LIFT:
            shared.append(("history", self._history))
        if self._duty is not None:
            shared.append(("duty", self._duty))
        staged: list[tuple[str, Part]] = [
            (f"{detector.name}/timers", stages) for detector, stages in self._staged
        ]
        own: list[tuple[str, Part]] = [
            (f"{detector.name}/own", detector) for detector, _ in self._staged
        ]
        return [*shared, *staged, *own]
