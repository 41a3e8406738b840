"""A flood: many times a district's items in gateway batches, as after a regional power failure."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.selftest.common import Say, concluded, kept, memory_bounded, settle, wait_recorded
from runtime.selftest.processes import MemoryWatch
from runtime.selftest.service import in_workplace, publisher, serving, wait_for
from runtime.wiring import using_state
from simulators.load import LoadPlan

DISTRICT_ITEMS_PER_S = 3_000.0
RECOVERY_MAX_S = 60.0
"""Time after the flood within which everything must be recorded."""

OUTSTANDING_MAX = 2_000
"""Batches that the gateways hold for their PUBACK; a batch has about 13 kB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodOptions:
    """What the user chose.

    Parameters
    ----------
    factor
        How many times a district's `DISTRICT_ITEMS_PER_S`.
    directory
        Empty directory to work in; ``None`` = a temporary one.
    """

    seconds: float = 60.0
    factor: float = 10.0
    devices: int = 1_000
    gateways: int = 50
    broker: str = ""
    seed: int = 1
    directory: Path | None = None


def run_flood(options: FloodOptions, say: Say) -> dict[str, Any]:
    """Run the test and return its report."""
    return in_workplace(options.directory, say, lambda root: _test(options, root, say))


def _test(options: FloodOptions, root: Path, say: Say) -> dict[str, Any]:
    rate_per_s = DISTRICT_ITEMS_PER_S * options.factor
    plan = LoadPlan(
        devices=options.devices,
        items=int(rate_per_s * options.seconds),
        rate_per_s=rate_per_s,
        seed=options.seed,
        gateways=options.gateways,
        alarms=options.devices // 10,
        overloads=options.devices // 20,
    )
    with (
        serving(plan, root / "data", broker=options.broker) as service,
        using_state(service.site.root) as state,
        MemoryWatch(service.children) as memory,
    ):
        load = publisher(service, plan, outstanding=OUTSTANDING_MAX)
        say(f"{rate_per_s:,.0f} items/s for {plan.duration_s:g} s by {options.gateways} gateways")
        began_s = time.monotonic()
        load.start(time.time_ns())
        wait_for(lambda: load.offered >= plan.messages or not load.running, 10 * plan.duration_s)
        load.stop()
        offered_s = time.monotonic() - began_s
        lag_s = service.metrics().get("equipwatch_pipeline_lag_seconds", 0.0)
        sent = load.finish()
        complete = wait_recorded(service, state, sent.acknowledged * plan.items_per_message)
        recovery_s = time.monotonic() - began_s - offered_s
        found = settle(service, state, plan, load)
        restarts = service.restarts()
    report = {
        "scenario": "flood",
        "broker": options.broker or "own choice",
        "items_per_s_wanted": rate_per_s,
        "items_per_s": round(sent.offered * plan.items_per_message / offered_s),
        "batches": sent.acknowledged,
        **found.report(plan),
        "lag_at_end_s": round(lag_s, 1),
        "recovery_s": round(recovery_s, 1),
        "puback_p99_s": round(sent.latency_p99_s, 3),
        "restarts": dict(restarts),
        "rss_mb_max": memory.most_mb(),
        "seed": options.seed,
    }
    promises = kept(found) | memory_bounded(memory.most_mb())
    promises["every batch offered was accepted"] = sent.offered == sent.acknowledged
    promises[f"all is recorded within {RECOVERY_MAX_S:g} s of the flood"] = (
        complete and recovery_s <= RECOVERY_MAX_S
    )
    return concluded(report, promises)
