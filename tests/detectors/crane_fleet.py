"""Many cranes at once through the production bank, their signals given as arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.bank import Bank
from domain.channels import CHANNELS, COLUMNS
from domain.equipment import Equipment, Kind, build_fleet
from domain.findings import Finding
from domain.instants import seconds
from domain.readings import NO_CODE, NO_SEQ, ONLINE_UNSAID, ReadingBatch, Stream
from tests.support.story import T0

Signals = Mapping[str, NDArray[np.float64]]
"""Channel to float64[n cranes, k samples]; NaN = not reported."""


def run(
    members: list[Equipment], times_s: NDArray[np.floating[Any]], signals: Signals
) -> list[Finding]:
    """Findings of cranes that all sample at the same times; the journal ticks every second."""
    return worked(members, times_s, signals)[1]


def worked(
    members: list[Equipment], times_s: NDArray[np.floating[Any]], signals: Signals
) -> tuple[Bank, list[Finding]]:
    """The bank after all samples, and its findings."""
    fleet = build_fleet(1, members)
    bank = Bank(fleet)
    findings: list[Finding] = []
    n, ids = len(members), fleet.ids[Kind.CRANE]
    ticked_s = 0
    for k, t_s in enumerate(times_s.tolist()):
        while ticked_s <= t_s:
            findings += bank.tick(T0 + seconds(ticked_s), 1)
            ticked_s += 1
        findings += bank.step(_batch(ids, np.full(n, T0 + seconds(t_s)), signals, k))
    return bank, findings


def _batch(
    ids: tuple[str, ...], now_ns: NDArray[np.int64], signals: Signals, k: int
) -> ReadingBatch:
    n = len(ids)
    values = np.full((n, len(CHANNELS[Kind.CRANE])), np.nan)
    for name, samples in signals.items():
        values[:, COLUMNS[Kind.CRANE][name]] = samples[:, k]
    same: dict[str, Any] = {
        "position": np.full(n, k, dtype=np.int64),
        "ordinal": np.full(n, k, dtype=np.int64),
        "seq": np.full(n, NO_SEQ, dtype=np.int64),
        "stream": np.full(n, Stream.TELEMETRY, dtype=np.uint8),
        "quality": np.zeros(n, dtype=np.uint16),
        "code": np.full(n, NO_CODE, dtype=np.int32),
        "active": np.zeros(n, dtype=np.int8),
        "online": np.full(n, ONLINE_UNSAID, dtype=np.int8),
    }
    return ReadingBatch(
        kind=Kind.CRANE,
        ids=ids,
        device=np.arange(n, dtype=np.int32),
        event_time_ns=now_ns,
        received_at_ns=now_ns,
        values=values,
        unknown=np.zeros(values.shape, dtype=np.bool_),
        **same,
    )


def fleet_of(n: int, **registry: Any) -> list[Equipment]:
    """``n`` cranes with the same ratings, rated for 10 t unless said otherwise."""
    rating: dict[str, Any] = {"rated_load_t": 10.0, "wind_limit_mps": 20.0} | registry
    return [Equipment(id=f"C{i}", kind=Kind.CRANE, **rating) for i in range(n)]
