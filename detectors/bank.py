"""The bank: runs every detector over the fleet, keeps time for them, and builds findings.

A batch is cut into rounds, so that no device occurs twice in one (NumPy would lose the second). For
each round, in this order: what late data left open is judged; hold timers run up to the rows' event
times on the old state; the rows are taken in; detectors judge anew. Between rows the journal's
ticks move each device's own event clock. Any split of the rows over calls gives the same findings.
"""

import io
import json
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from detectors import catalog
from detectors.current import Ints
from detectors.engine import KindEngine
from domain.equipment import Fleet, Kind
from domain.findings import Finding
from domain.messages import OWN_GAP_NS
from domain.readings import ReadingBatch

_SNAPSHOT_VERSION = 3
_HEADER = "header"


class Bank:
    """All detectors of a fleet.

    Parameters
    ----------
    parameters
        Overrides by detector and parameter (`detectors.catalog`).

    Raises
    ------
    UsageError
        If an override names no detector or parameter.
    """

    def __init__(
        self, fleet: Fleet, parameters: Mapping[str, Mapping[str, float]] | None = None
    ) -> None:
        overrides = parameters or {}
        catalog.check(overrides)
        self._engines = {kind: KindEngine(kind, overrides) for kind in Kind}
        self._now_ns = 0
        self.set_fleet(fleet)

    def set_fleet(self, fleet: Fleet) -> None:
        """Take over a changed registry; slots keep their state."""
        self._fleet = fleet
        for engine in self._engines.values():
            engine.grow(fleet)

    def step(self, batch: ReadingBatch) -> list[Finding]:
        """Take in a batch; return findings in order of their frames."""
        findings: list[Finding] = []
        engine = self._engines[batch.kind]
        for selected in _rounds(batch):
            self._pass(int(batch.received_at_ns[selected].max()))
            findings += engine.step(batch, selected)
        findings.sort(key=lambda finding: finding.position)
        return findings

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
        return findings

    def heard_ns(self, equipment_id: str) -> int | None:
        """Received time of a device's last sign of life, ``None`` when it was never heard."""
        place = self._fleet.slots.get(equipment_id)
        if place is None:
            return None
        kind, slot = place
        return self._engines[kind].heard_ns(slot)

    def snapshot(self) -> bytes:
        """All state as bytes; restoring them changes nothing, bit for bit."""
        arrays: dict[str, NDArray[np.generic]] = {
            f"{kind}/{name}": array
            for kind, engine in self._engines.items()
            for name, array in engine.arrays()
        }
        header = json.dumps({"version": _SNAPSHOT_VERSION, "now_ns": self._now_ns})
        arrays[_HEADER] = np.frombuffer(header.encode(), dtype=np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    def restore(self, data: bytes) -> None:
        """Continue from a snapshot of the same or a smaller fleet.

        Raises
        ------
        ValueError
            If the snapshot is of another version.
        """
        with np.load(io.BytesIO(data), allow_pickle=False) as saved:
            header = json.loads(saved[_HEADER].tobytes())
            if header["version"] != _SNAPSHOT_VERSION:
                raise ValueError(f"bank snapshot of version {header['version']}")
            self._now_ns = header["now_ns"]
            for kind, engine in self._engines.items():
                prefix = f"{kind}/"
                names = [name for name in saved.files if name.startswith(prefix)]
                engine.restore({name.removeprefix(prefix): saved[name] for name in names})

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
