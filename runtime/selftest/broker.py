"""``kill -9`` of the broker under load: what only its memory held is lost, and named."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import DependencyError
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S
from ingest.broker_config import AUTOSAVE_S
from runtime.selftest.common import (
    Say,
    account,
    due_s,
    keys_of,
    named_by_ledger,
    opened_by,
    settle,
    wait_still,
)
from runtime.selftest.service import publisher, serving, wait_for
from runtime.wiring import using_state
from simulators.load import LoadPlan, LoadPublisher

SETTLE_S = 60.0
"""Longest wait for the pipeline after the load."""

PROGRESS_TIMEOUT_S = 240.0
"""Longest time between two kills."""

_AFTER_A_GAP = 20
"""Items that every device sends after the last kill: a gap shows by the item behind it."""


def kill_brokers(
    plan: LoadPlan, kills: int, root: Path, say: Say, *, broker: str
) -> tuple[dict[str, Any], dict[str, bool]]:
    """Kill the broker while a plan's load goes on; return figures and promises."""
    rng = np.random.default_rng(plan.seed)
    killed_s: list[float] = []
    with serving(plan, root, broker=broker) as service, using_state(root) as state:
        load = publisher(service, plan, endless=True)
        start_ns = time.time_ns()
        load.start(start_ns)
        try:
            for number in range(kills):
                share = (number + rng.random()) / (kills + 1)
                _reach_acknowledged(load, int(plan.items * share))
                service.kill(service.victims(["broker"]))
                killed_s.append((time.time_ns() - start_ns) / NS_PER_S)
                say(f"broker kill {number + 1}: {load.acknowledged} messages accepted so far")
            # A gap shows by the item after it.
            _reach_acknowledged(
                load, max(plan.items, load.acknowledged + _AFTER_A_GAP * plan.devices)
            )
        finally:
            load.stop()
        sent = load.finish()
        wait_still(state, SETTLE_S)
        found = settle(service, state, plan, load)
        unnamed = np.setdiff1d(found.missing, named_by_ledger(state, plan))
        opened = opened_by(state)
    # An alarm that the broker lost can open nothing; every other one must.
    arrived = keys_of(*load.accepted())
    of_arrived = account(plan, np.setdiff1d(arrived, found.missing), arrived, opened)
    at_risk = _at_risk(due_s(plan, found.missing), killed_s, sent.latency_max_s)
    report = {
        "kills": len(killed_s),
        "messages": sent.acknowledged,
        **found.report(plan),
        "lost_not_named_by_the_ledger": len(unnamed),
        "incidents_missed_though_delivered": of_arrived.incidents_missed,
        "lost_outside_the_autosave_interval": len(found.missing) - int(at_risk.sum()),
        "autosave_s": AUTOSAVE_S,
        "ingest_gap_incidents": sum(kind is IncidentKind.INGEST_GAP for _, kind in opened),
    }
    return report, {
        "broker kills: every lost number is named by the ledger": len(unnamed) == 0,
        "broker kills: nothing older than the autosave interval is lost": bool(at_risk.all()),
        "broker kills: no incident is missed whose messages were delivered": (
            of_arrived.incidents_missed == 0
        ),
        "broker kills: nothing is stored twice": found.duplicated == 0,
        "broker kills: no incident is raised twice": found.incidents_duplicated == 0,
    }


def _reach_acknowledged(load: LoadPublisher, count: int) -> None:
    wait_for(lambda: load.acknowledged >= count or not load.running, PROGRESS_TIMEOUT_S)
    if not load.running:
        load.finish()
    if load.acknowledged < count:
        raise DependencyError(f"{load.acknowledged} of {count} messages were acknowledged")


def _at_risk(
    lost_due_s: NDArray[np.float64], killed_s: Sequence[float], delay_s: float
) -> NDArray[np.bool_]:
    """Whether each lost item was sent within the autosave interval before a kill.

    A terminal that had to wait for the broker sends as much as ``delay_s`` after an item was due.
    """
    before_s = np.array(killed_s)[None, :] - lost_due_s[:, None]
    within = (before_s > -1.0) & (before_s < AUTOSAVE_S + delay_s + 1.0)
    return np.asarray(within.any(axis=1), dtype=np.bool_)
