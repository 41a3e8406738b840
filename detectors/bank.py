"""The bank: runs every detector over the fleet, keeps time for them, and builds findings.

A batch is cut into rounds, so that no device occurs twice in one (NumPy would lose the second). For
each round, in this order: what late data left open is judged; hold timers run up to the rows' event
times on the old state; the rows are taken in; detectors judge anew. Between rows the journal's
ticks move each device's own event clock. Any split of the rows over calls gives the same findings.
"""

from collections.abc import Collection, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from detectors import catalog, clock, silence
from detectors.advisories import CHANNELS_JUDGED, Advisories
from detectors.crane_duty import DutyReport
from detectors.current import Ints
from detectors.engine import KindEngine
from detectors.parts import packed, unpacked
from detectors.statistics.calibrator import Rate
from domain.equipment import Fleet, Kind
from domain.findings import Finding
from domain.incidents import IncidentKind
from domain.messages import OWN_GAP_NS
from domain.readings import ReadingBatch

_SNAPSHOT_VERSION = 6
_STATISTICS = "statistics"

UNTIMED: Mapping[str, tuple[tuple[Kind, IncidentKind], ...]] = {
    catalog.CODES_SETTINGS: (
        (Kind.LIFT, IncidentKind.LIFT_FAULT),
        (Kind.LIFT, IncidentKind.ALARM_BUTTON),
        (Kind.ESCALATOR, IncidentKind.ESCALATOR_FAULT),
    ),
    silence.NAME: tuple((kind, IncidentKind.DEVICE_OFFLINE) for kind in Kind),
    clock.NAME: tuple((kind, IncidentKind.CLOCK_WRONG) for kind in Kind),
}
"""What detectors without hold timers claim, by their name."""

DETECTORS: tuple[str, ...] = (*catalog.STAGED, *UNTIMED)
"""Names by which `Bank` may be told to run only some detectors."""


class Bank:
    """All detectors of a fleet.

    Parameters
    ----------
    parameters
        Overrides by detector and parameter (`detectors.catalog`).
    only
        The detectors that run (`DETECTORS`); ``None`` = all. Kinds that none of them judges are
        left out altogether.

    Raises
    ------
    UsageError
        If an override names no detector or parameter.
    """

    def __init__(
        self,
        fleet: Fleet,
        parameters: Mapping[str, Mapping[str, float]] | None = None,
        *,
        only: Collection[str] | None = None,
    ) -> None:
        overrides = parameters or {}
        catalog.check(overrides)
        names = DETECTORS if only is None else only
        self._untimed = {name: UNTIMED[name] for name in names if name in UNTIMED}
        judged = {kind for claims in self._untimed.values() for kind, _ in claims}
        engines = {kind: KindEngine(kind, overrides, only) for kind in Kind}
        self._engines = {
            kind: engine
            for kind, engine in engines.items()
            if kind in judged or any(engine.claims())
        }
        settings = catalog.parameters_of(catalog.STATISTICS_SETTINGS, overrides)
        self._advisories: dict[Kind, Advisories] = {}
        if only is None and settings.alarms_per_device_day > 0:
            self._advisories = {kind: Advisories(kind, settings) for kind in CHANNELS_JUDGED}
        self._now_ns = 0
        self.set_fleet(fleet)

    def set_fleet(self, fleet: Fleet) -> None:
        """Take over a changed registry; slots keep their state."""
        self._fleet = fleet
        for engine in self._engines.values():
            engine.grow(fleet)
        for kind, advisories in self._advisories.items():
            advisories.grow(fleet.ids[kind])

    def step(self, batch: ReadingBatch) -> list[Finding]:
        """Take in a batch; return findings in order of their frames."""
        findings: list[Finding] = []
        engine = self._engines.get(batch.kind)
        if engine is None:
            return findings
        advisories = self._advisories.get(batch.kind)
        for selected in _rounds(batch):
            self._pass(int(batch.received_at_ns[selected].max()))
            findings += engine.step(batch, selected)
            if advisories is not None:
                findings += advisories.step(batch, selected)
        findings.sort(key=lambda finding: finding.position)
        return self._own(findings)

    def hear(self, first_ns: int, last_ns: int) -> None:
        """Note that frames brought messages received from one instant to another.

        A time in which we were away ends before the first of them, whatever rows they give and
        whichever rows share a batch.
        """
        self._pass(first_ns)
        self._now_ns = max(self._now_ns, last_ns)

    def tick(self, now_ns: int, position: int) -> list[Finding]:
        """Let time pass up to a received time."""
        self._pass(now_ns)
        findings: list[Finding] = []
        for engine in self._engines.values():
            if now_ns >= engine.due_ns:
                findings += engine.tick(now_ns, position)
        return self._own(findings)

    def claims(self) -> frozenset[tuple[str, Kind, IncidentKind]]:
        """Name in findings, kind of equipment and kind of incident of every detector that runs."""
        staged = {
            (name, kind, incident)
            for kind, engine in self._engines.items()
            for name, incident in engine.claims()
        }
        untimed = {
            (name, kind, incident)
            for name, claims in self._untimed.items()
            for kind, incident in claims
        }
        return frozenset(staged | untimed)

    def standing(self) -> frozenset[tuple[str, IncidentKind]]:
        """Equipment and incident kind of every case that a timed detector holds open."""
        return frozenset(case for engine in self._engines.values() for case in engine.standing())

    def known_devices(self) -> Mapping[Kind, int]:
        """Per kind, the devices whose values are known at the moment."""
        return {kind: engine.known_devices() for kind, engine in self._engines.items()}

    def heard_ns(self, equipment_id: str) -> int | None:
        """Received time of a device's last sign of life, ``None`` when it was never heard."""
        place = self._fleet.slots.get(equipment_id)
        if place is None:
            return None
        kind, slot = place
        return self._engines[kind].heard_ns(slot) if kind in self._engines else None

    def duty(self, equipment_id: str) -> DutyReport | None:
        """Duty of a crane so far, ``None`` when it is none that is known."""
        kind, slot = self._fleet.slots.get(equipment_id, (None, 0))
        return None if kind is not Kind.CRANE else self._engines[kind].duty(slot)

    def rates(self) -> Mapping[Kind, tuple[Rate, ...]]:
        """Realised against nominal alarm rate of every statistic, by kind of equipment."""
        return {kind: advisories.rates() for kind, advisories in self._advisories.items()}

    def arrays(self, kind: Kind) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """State of one kind's rules by name, a row a device; read it, and soon."""
        return self._engines[kind].arrays()

    def snapshot(self) -> bytes:
        """All state as bytes; restoring them changes nothing, bit for bit."""
        arrays: dict[str, NDArray[np.generic]] = {
            f"{kind}/{name}": array for kind in self._engines for name, array in self.arrays(kind)
        }
        for kind, advisories in self._advisories.items():
            arrays |= {f"{_STATISTICS}/{kind}/{name}": a for name, a in advisories.arrays()}
        return packed({"version": _SNAPSHOT_VERSION, "now_ns": self._now_ns}, arrays)

    def restore(self, data: bytes, *, partly: bool = False) -> None:
        """Continue from a snapshot of the same or a smaller fleet.

        Parameters
        ----------
        partly
            The snapshot may be of other detectors and parameters: what it has of those that run
            here is taken over, the rest begins fresh. A timer that runs keeps its hold until its
            device is judged anew.

        Raises
        ------
        ValueError
            If the snapshot is of another version.
        """
        header, saved = unpacked(data)
        if header.get("version") != _SNAPSHOT_VERSION:
            raise ValueError(f"bank snapshot of version {header.get('version')}")
        self._now_ns = header["now_ns"]
        for kind, engine in self._engines.items():
            engine.restore(_below(f"{kind}/", saved), partly=partly)
        for kind, advisories in self._advisories.items():
            arrays = _below(f"{_STATISTICS}/{kind}/", saved)
            if arrays:
                advisories.restore(arrays)

    def _own(self, findings: list[Finding]) -> list[Finding]:
        """Findings of detectors that run; engines find codes, silence and clocks in any case."""
        if len(self._untimed) == len(UNTIMED):
            return findings
        left_out = UNTIMED.keys() - self._untimed.keys()
        return [finding for finding in findings if finding.detector not in left_out]

    def _pass(self, now_ns: int) -> None:
        """Move the received clock, leaving out a time in which we were away."""
        gap_ns = now_ns - self._now_ns
        if self._now_ns and gap_ns > OWN_GAP_NS:
            for engine in self._engines.values():
                engine.skip(gap_ns)
        self._now_ns = max(self._now_ns, now_ns)


def _rounds(batch: ReadingBatch) -> Iterator[Ints]:
    """Row indices of each round: the k-th row of every device that has one."""
    order = np.argsort(batch.device, kind="stable")
    device = batch.device[order]
    first = np.ones(len(device), dtype=np.bool_)
    first[1:] = device[1:] != device[:-1]
    if first.all():
        # In order of devices, so that state is read from one end to the other.
        yield order
        return
    starts = np.flatnonzero(first)
    counts = np.diff(starts, append=len(device))
    rank = np.arange(len(device)) - np.repeat(starts, counts)
    for k in range(int(rank.max(initial=-1)) + 1):
        yield order[rank == k]


def _below(prefix: str, saved: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    return {n.removeprefix(prefix): array for n, array in saved.items() if n.startswith(prefix)}
