"""Live detection with candidates beside it: the same batches, no incidents.

What runs is a function of the journal and of the acts that people made (`domain.shadow.Act`): each
takes effect after the journal frame that the pipeline wrote on it, and a replay lets it take effect
there again. A candidate that fails is stopped and says why; live detection never notices.
"""

import bisect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from detectors import catalog
from detectors.bank import DETECTORS, Bank
from detectors.crane_duty import DutyReport
from detectors.episodes import Comparison, State
from detectors.statistics.calibrator import Rate
from domain.equipment import Fleet, Kind
from domain.findings import Finding
from domain.messages import Frame
from domain.ports import PAGE_LIMIT, StateTransaction
from domain.readings import ReadingBatch
from domain.shadow import Act, ActKind, CandidateState, Episode, Parameters, merged, state_after

SYSTEM = "system"
"""Actor of the acts that nobody but this service made."""

REASON_MAX = 500
"""Characters kept of why a candidate failed."""

_log = structlog.get_logger(__name__)


class _Saved(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate in a snapshot."""

    name: str
    bank: bytes
    state: State


@dataclass(slots=True)
class _Candidate:
    """One candidate that runs."""

    parameters: Parameters
    bank: Bank
    comparison: Comparison


class Detection:
    """The live bank, and a bank for each candidate; to the pipeline all of it is one bank.

    Parameters
    ----------
    configured
        Detector parameters of the configuration.
    held_back
        Detectors that run in candidates only, until one that names them is promoted.
    acts
        All acts so far.

    Raises
    ------
    UsageError
        If the configuration names no detector or parameter.
    """

    def __init__(
        self,
        fleet: Fleet,
        configured: Parameters | None = None,
        *,
        held_back: Collection[str] = (),
        acts: Sequence[Act] = (),
    ) -> None:
        self._fleet = fleet
        self._configured = configured or {}
        self._held_back = frozenset(held_back)
        catalog.check(merged((self._configured, {name: {} for name in held_back})))
        self._acts: list[Act] = []
        self._known: set[int] = set()
        self._running: dict[str, Parameters] = {}
        self._promoted: dict[str, Parameters] = {}
        self._candidates: dict[str, _Candidate] = {}
        self._left: dict[str, _Candidate] = {}
        self._failures: list[Act] = []
        self._position = 0
        self._now_ns = 0
        self._live = self._new_live()
        self._acts_seen = 0
        for act in acts:
            if act.position is not None:
                self.plan(act)
        waiting = [act.number for act in acts if act.position is None]
        self._acts_seen = min((number - 1 for number in waiting), default=self._acts_seen)

    @property
    def parameters(self) -> dict[str, dict[str, float]]:
        """Parameters of live detection as they are now."""
        return merged((self._configured, *self._promoted.values()))

    @property
    def acts_seen(self) -> int:
        """Number up to which all acts are known here."""
        return self._acts_seen

    def set_fleet(self, fleet: Fleet) -> None:
        """Take over a changed registry."""
        self._fleet = fleet
        self._live.set_fleet(fleet)
        self._guarded(lambda candidate: candidate.bank.set_fleet(fleet))

    def step(self, batch: ReadingBatch) -> list[Finding]:
        """Take in a batch; return the findings of live detection."""
        found = self._live.step(batch)
        self._guarded(lambda candidate: self._compare(candidate, found, candidate.bank.step(batch)))
        return found

    def hear(self, first_ns: int, last_ns: int) -> None:
        """Note that frames brought messages received from one instant to another."""
        self._now_ns = last_ns
        self._live.hear(first_ns, last_ns)
        self._guarded(lambda candidate: candidate.bank.hear(first_ns, last_ns))

    def tick(self, now_ns: int, position: int) -> list[Finding]:
        """Let time pass up to a received time; return the findings of live detection."""
        self._now_ns = now_ns
        found = self._live.tick(now_ns, position)

        def judge(candidate: _Candidate) -> None:
            self._compare(candidate, found, candidate.bank.tick(now_ns, position))
            candidate.comparison.elapse(now_ns, position, candidate.bank.known_devices())

        self._guarded(judge)
        return found

    def heard_ns(self, equipment_id: str) -> int | None:
        """Received time of a device's last sign of life, ``None`` when it was never heard."""
        return self._live.heard_ns(equipment_id)

    def duty(self, equipment_id: str) -> DutyReport | None:
        """Duty of a crane so far, ``None`` when it is none that is known."""
        return self._live.duty(equipment_id)

    def rates(self) -> Mapping[Kind, tuple[Rate, ...]]:
        """Realised against nominal alarm rate of the statistics of live detection."""
        return self._live.rates()

    def snapshot(self) -> tuple[bytes, bytes]:
        """State of live detection, and of the candidates; the latter empty when none runs."""
        saved = [
            _Saved(name=name, bank=one.bank.snapshot(), state=one.comparison.state())
            for name, one in self._candidates.items()
        ]
        return self._live.snapshot(), msgspec.msgpack.encode(saved) if saved else b""

    def restore(self, live: bytes, shadow: bytes, position: int) -> None:
        """Continue from what `snapshot` gave after the frame at a position.

        Raises
        ------
        ValueError, KeyError
            If the snapshot is of another version of live detection.
        """
        self._running.clear()
        self._promoted.clear()
        for act in self._acts[: self._due(position)]:
            self._note(act)
        self._position = position
        self._live = self._new_live()
        self._live.restore(live)
        self._candidates.clear()
        self._left.clear()
        self._failures.clear()
        saved = {one.name: one for one in _decoded(shadow)}
        for name in list(self._running):
            self._begin(name, saved.get(name))

    def plan(self, act: Act) -> None:
        """Let an act take effect at its position, or at once when that is behind us."""
        self._acts_seen = max(self._acts_seen, act.number)
        if act.number in self._known:
            return
        self._known.add(act.number)
        bisect.insort(self._acts, act, key=_order)
        if _position(act) <= self._position:
            self._apply(act)

    def until_change(self, frames: list[Frame]) -> list[Frame]:
        """The first of these frames, up to the one after which an act takes effect."""
        self.advance(frames[0].position - 1)
        following = self._due(self._position)
        if following == len(self._acts):
            return frames
        last = _position(self._acts[following])
        return [frame for frame in frames if frame.position <= last]

    def advance(self, position: int) -> None:
        """Let acts take effect up to a journal position."""
        first = self._due(self._position)
        self._position = max(self._position, position)
        for act in self._acts[first : self._due(self._position)]:
            self._apply(act)

    def store(self, tx: StateTransaction, recorded: int) -> None:
        """Store what candidates found after a position, their totals, and failures."""
        for name, candidate in (*self._candidates.items(), *self._left.items()):
            tx.shadow.put_episodes(name, _newest(candidate.comparison.changes, recorded))
            tx.shadow.put_totals(name, candidate.comparison.totals)
        for failure in self._failures:
            _record(tx, failure)

    def stored(self) -> None:
        """Forget what was stored."""
        for candidate in self._candidates.values():
            candidate.comparison.changes.clear()
        self._left.clear()
        self._failures.clear()

    def _due(self, position: int) -> int:
        """How many acts take effect up to a position."""
        return bisect.bisect_right(self._acts, position, key=_position)

    def _note(self, act: Act) -> None:
        """Note who runs and who is promoted after an act."""
        if act.kind is ActKind.STARTED:
            self._running[act.candidate] = act.parameters
        else:
            self._running.pop(act.candidate, None)
        if act.kind is ActKind.PROMOTED:
            self._promoted[act.candidate] = act.parameters
        if act.kind is ActKind.REVERTED:
            self._promoted.pop(act.candidate, None)

    def _apply(self, act: Act) -> None:
        self._note(act)
        if act.kind is ActKind.STARTED:
            self._begin(act.candidate)
        elif act.candidate in self._candidates:
            self._left[act.candidate] = self._candidates.pop(act.candidate)
        if act.kind in {ActKind.PROMOTED, ActKind.REVERTED}:
            self._change_live()
        _log.info("candidate", name=act.candidate, act=act.kind.value, position=self._position)

    def _new_live(self) -> Bank:
        """Live bank of what is configured and promoted; a promotion of no use is left out."""
        for name in list(self._promoted):
            try:
                return self._live_bank()
            except Exception as error:  # noqa: BLE001 - detection as configured is better than none
                _log.error("promotion_not_usable", name=name, error=str(error))
                del self._promoted[name]
        return self._live_bank()

    def _live_bank(self) -> Bank:
        held_back = self._held_back.difference(*self._promoted.values())
        only = None if not held_back else [one for one in DETECTORS if one not in held_back]
        return Bank(self._fleet, self.parameters, only=only)

    def _change_live(self) -> None:
        """Take changed parameters over; cases and timers go on."""
        state = self._live.snapshot()
        self._live = self._new_live()
        self._live.restore(state, partly=True)

        def follow(candidate: _Candidate) -> None:
            before = candidate.bank.snapshot()
            candidate.bank = self._bank_of(candidate.parameters)
            candidate.bank.restore(before, partly=True)

        self._guarded(follow)

    def _bank_of(self, parameters: Parameters) -> Bank:
        return Bank(self._fleet, merged((self.parameters, parameters)), only=parameters)

    def _begin(self, name: str, saved: _Saved | None = None) -> None:
        """Let a candidate run from what live detection knows, or from where it was."""
        parameters = self._running[name]
        try:
            bank = self._bank_of(parameters)
            if saved is None:
                bank.restore(self._live.snapshot(), partly=True)
            else:
                bank.restore(saved.bank)
            claims = ((kind, incident) for _, kind, incident in bank.claims())
            comparison = Comparison(name, claims, bank.standing())
            if saved is not None:
                comparison.restore(saved.state)
        except Exception as error:  # noqa: BLE001 - whatever a candidate does, live detection goes on
            self._fail(name, error)
        else:
            self._candidates[name] = _Candidate(parameters, bank, comparison)

    def _guarded(self, work: Callable[[_Candidate], None]) -> None:
        """Let every candidate work; one that fails is stopped."""
        for name, candidate in list(self._candidates.items()):
            try:
                work(candidate)
            except Exception as error:  # noqa: BLE001 - whatever a candidate does, live detection goes on
                self._fail(name, error)

    def _fail(self, name: str, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"[:REASON_MAX]
        _log.error("candidate_failed", name=name, reason=reason, exc_info=error)
        failure = Act(
            candidate=name,
            kind=ActKind.FAILED,
            actor=SYSTEM,
            at_ns=self._now_ns,
            reason=reason,
            parameters=self._running.pop(name),
            position=self._position,
        )
        self._failures.append(failure)
        if name in self._candidates:
            self._left[name] = self._candidates.pop(name)

    def _compare(
        self, candidate: _Candidate, live: Sequence[Finding], shadow: Sequence[Finding]
    ) -> None:
        if not live and not shadow:
            return
        own = {detector for detector, _, _ in candidate.bank.claims()}
        same = [finding for finding in live if finding.detector in own]
        candidate.comparison.take(same, shadow, self._kind_of)

    def _kind_of(self, equipment_id: str) -> Kind:
        return self._fleet.slots[equipment_id][0]


def all_acts(tx: StateTransaction) -> list[Act]:
    """Every act in the state store, in order."""
    acts: list[Act] = []
    while True:
        more = tx.shadow.acts_after(acts[-1].number if acts else 0)
        acts += more
        if len(more) < PAGE_LIMIT:
            return acts


def _record(tx: StateTransaction, failure: Act) -> None:
    """Say why a candidate was stopped, once."""
    candidate = tx.shadow.candidate(failure.candidate)
    if candidate is None or candidate.state is not CandidateState.RUNNING:
        return
    tx.shadow.set_state(candidate.name, state_after(candidate.state, failure.kind))
    tx.shadow.add_act(failure)


def _position(act: Act) -> int:
    return 0 if act.position is None else act.position


def _order(act: Act) -> tuple[int, int]:
    return _position(act), act.number


def _decoded(shadow: bytes) -> list[_Saved]:
    """Candidates of a snapshot; of another version's none, so that they begin anew."""
    if not shadow:
        return []
    try:
        return msgspec.msgpack.decode(shadow, type=list[_Saved])
    except (msgspec.DecodeError, ValueError) as error:
        _log.warning("candidates_of_another_version", error=str(error))
        return []


def _newest(changes: Sequence[tuple[int, Episode]], recorded: int) -> list[Episode]:
    """Last state of every episode that changed after a position."""
    newest = {
        (one.equipment_id, one.kind, one.position): one
        for position, one in changes
        if position > recorded
    }
    return list(newest.values())
