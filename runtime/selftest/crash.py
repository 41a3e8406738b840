"""``kill -9`` at random moments under load: nothing is lost, doubled, missed or raised twice.

Kills of our own processes and kills of the broker are told apart: ours must lose nothing, while a
broker loses at most what its configuration lets it keep in memory only.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from domain.errors import DependencyError, UsageError
from domain.ports import StateStore
from runtime.selftest.broker import kill_brokers
from runtime.selftest.common import (
    Journalled,
    Say,
    concluded,
    kept,
    recorded_items,
    settle,
    wait_recorded,
)
from runtime.selftest.processes import MemoryWatch
from runtime.selftest.service import (
    SUPERVISOR,
    Service,
    in_workplace,
    publisher,
    serving,
    wait_for,
)
from runtime.wiring import using_state
from simulators.load import LoadPlan, LoadPublisher

KILLS_MAX = 1_000
CATCH_UP_MAX_S = 10.0
"""Time after the last kill within which everything accepted must be recorded."""

CALM_S = 2.0
"""Load of this length and less, not recorded yet, is everyday life."""

CALM_TIMEOUT_S = 120.0
"""How long the last kill is put off for that."""

KILL_EVERY_S = 2.5
"""Mean time between kills: a victim must have come up again, or it would not be killed at work."""

DRAWS_MAX = 3
"""Kills drawn again, per kill wanted, because no message was in flight."""

RETURN_TIMEOUT_S = 60.0
_VICTIMS: Sequence[tuple[str, ...]] = (
    ("ingest",),
    ("core",),
    ("ingest", "core"),
    (SUPERVISOR, "ingest", "core"),
)
"""Drawn in shuffled rounds, so that none gives a supervisor reason to give a child up. ``core`` is
pipeline, dispatch, API and the owner of the DuckDB file and the SQLite state."""

_PAUSE_MAX_S = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashOptions:
    """What the user chose.

    Parameters
    ----------
    messages
        Fewest messages; the load goes on at its rate until the last kill.
    rate_per_s
        Messages per second; 3,000 is a district.
    broker_kills
        Kills of the broker, in a run of their own.
    directory
        Empty directory to work in; ``None`` = a temporary one.
    """

    kills: int = 50
    messages: int = 200_000
    rate_per_s: float = 3_000.0
    devices: int = 60
    broker: str = ""
    broker_kills: int = 0
    seed: int = 1
    directory: Path | None = None


def run_crash(options: CrashOptions, say: Say) -> dict[str, Any]:
    """Run the test and return its report.

    Raises
    ------
    UsageError
        If there is nothing to kill, or more than `KILLS_MAX`.
    """
    if not 0 < options.kills + options.broker_kills <= KILLS_MAX:
        raise UsageError(f"between 1 and {KILLS_MAX} kills are possible")
    return in_workplace(options.directory, say, lambda root: _test(options, root, say))


def _test(options: CrashOptions, root: Path, say: Say) -> dict[str, Any]:
    report: dict[str, Any] = {"scenario": "crash", "broker": options.broker or "own choice"}
    promises: dict[str, bool] = {}
    if options.kills:
        found, promises = _own(options, root / "own", say)
        report |= found
    if options.broker_kills:
        plan = _plan(options, options.broker_kills)
        found, of_broker = kill_brokers(
            plan, options.broker_kills, root / "broker", say, broker=options.broker
        )
        report["broker_kills"] = found
        promises |= of_broker
    return concluded(report, promises)


def _plan(options: CrashOptions, kills: int) -> LoadPlan:
    """Incidents are spread over the time that the kills will take."""
    items = max(options.messages, int(kills * KILL_EVERY_S * options.rate_per_s))
    lifts, cranes = options.devices * 7 // 10, options.devices // 5
    return LoadPlan(
        devices=options.devices,
        items=items,
        rate_per_s=options.rate_per_s,
        seed=options.seed,
        alarms=lifts,
        overloads=cranes,
    )


def _own(options: CrashOptions, root: Path, say: Say) -> tuple[dict[str, Any], dict[str, bool]]:
    plan = _plan(options, options.kills)
    began_s = time.monotonic()
    with (
        serving(plan, root, broker=options.broker) as service,
        using_state(root) as state,
        MemoryWatch(service.children) as memory,
    ):
        load = publisher(service, plan, endless=True)
        killer = _Killer(service, state, load, say)
        load.start(time.time_ns())
        try:
            killer.run(options, plan)
        finally:
            load.stop()
        sent = load.finish()
        caught_up = wait_recorded(service, state, load.acknowledged)
        catch_up_s = time.monotonic() - killer.last_s
        found = settle(service, state, plan, load)
        restarts = service.restarts()
    journalled = killer.journalled()
    report = {
        "kills": len(killer.kills),
        "kills_with_nothing_in_flight": killer.redrawn,
        "in_flight_min": min(kill["in_flight"] for kill in killer.kills),
        "in_flight_max": max(kill["in_flight"] for kill in killer.kills),
        "messages": sent.acknowledged,
        "rate_per_s": options.rate_per_s,
        "delivered_again": journalled[0] - journalled[1],
        **found.report(plan),
        "catch_up_s": round(catch_up_s, 1),
        "backlog_before_last_kill": killer.backlog,
        "backlog_worked_off_s": round(killer.backlog_s, 1),
        "puback_p99_s": round(sent.latency_p99_s, 3),
        "restarts": dict(restarts),
        "rss_mb_max": memory.most_mb(),
        "seed": options.seed,
        "seconds": round(time.monotonic() - began_s, 1),
        "kill_list": killer.kills,
    }
    return report, kept(found) | {
        "every message offered was accepted": sent.offered == sent.acknowledged,
        f"all is recorded within {CATCH_UP_MAX_S:g} s of the last kill": (
            caught_up and catch_up_s <= CATCH_UP_MAX_S
        ),
    }


class _Killer:
    """Kills processes at seeded moments and notes what was in flight.

    In flight is what devices have sent and the journal does not hold, so that ingest cannot have
    acknowledged it. How much of it the broker had accepted is known from the PUBACKs that our
    devices have read, which is less than were sent.

    Parameters
    ----------
    last_s
        Monotonic time of the last kill.
    redrawn
        Kills that do not count because nothing was in flight.
    backlog, backlog_s
        Messages that the pipeline had not recorded after all kills but the last, and how long it
        took to be up with the load again.
    """

    def __init__(self, service: Service, state: StateStore, load: LoadPublisher, say: Say) -> None:
        self._service = service
        self._state = state
        self._load = load
        self._say = say
        self._journalled = Journalled(service.site)
        self._at_kill = {"ingest": 0, "core": 0}
        self.kills: list[dict[str, Any]] = []
        self.redrawn = 0
        self.backlog = 0
        self.backlog_s = 0.0
        self.last_s = time.monotonic()

    def run(self, options: CrashOptions, plan: LoadPlan) -> None:
        """Kill as often as asked for, the last time near the end of the plan.

        Raises
        ------
        DependencyError
            If a victim does not come back, or the load stands still.
        """
        rng = np.random.default_rng(options.seed)
        order: list[int] = []
        while len(self.kills) < options.kills:
            if self.redrawn > DRAWS_MAX * options.kills:
                raise UsageError(f"no message is in flight at {options.rate_per_s:g} a second")
            order = order or rng.permutation(len(_VICTIMS)).tolist()
            share = (len(self.kills) + rng.random()) / options.kills
            self._reach(int(plan.items * share))
            victims = _VICTIMS[order.pop()]
            self._wait_back(victims)
            if len(self.kills) + 1 == options.kills:
                self._wait_calm(options.rate_per_s)
            time.sleep(rng.uniform(0, _PAUSE_MAX_S))
            self._kill(victims)

    def journalled(self) -> tuple[int, int]:
        """Messages in the journal, and the distinct ones among them; the journal is let go."""
        distinct = self._journalled.distinct()
        self._journalled.close()
        return self._journalled.messages, distinct

    def _reach(self, offered: int) -> None:
        while self._load.running and self._load.offered < offered:
            self._journalled.distinct()
            time.sleep(0.1)
        if not self._load.running:
            self._load.finish()
            raise UsageError("the load ended before the kills did")

    def _wait_back(self, victims: Sequence[str]) -> None:
        """Wait until every victim has done some work since it was last killed."""
        if "ingest" in victims:
            _need(lambda: self._journalled.distinct() > self._at_kill["ingest"], "ingest")
        if "core" in victims:
            _need(lambda: recorded_items(self._state) > self._at_kill["core"], "core")

    def _wait_calm(self, rate_per_s: float) -> None:
        """Let the pipeline work off what the kills before the last have left.

        Only then does the time after the last kill tell how long one kill is felt.
        """
        began_s = time.monotonic()
        self.backlog = self._load.offered - recorded_items(self._state)
        wait_for(
            lambda: self._load.offered - recorded_items(self._state) < CALM_S * rate_per_s,
            CALM_TIMEOUT_S,
        )
        self.backlog_s = time.monotonic() - began_s

    def _kill(self, victims: Sequence[str]) -> None:
        pids = self._service.victims(victims)
        self._journalled.distinct()
        sent, accepted = self._load.offered, self._load.acknowledged
        self._service.kill(pids, supervisor=SUPERVISOR in victims)
        self.last_s = time.monotonic()
        # The journal is read after the kill, so these are the least that it lacked at the kill.
        journalled = self._journalled.distinct()
        recorded = recorded_items(self._state)
        self._at_kill |= {"ingest": journalled} if "ingest" in victims else {}
        self._at_kill |= {"core": recorded} if "core" in victims else {}
        if sent <= journalled:
            self.redrawn += 1
            return
        kill = {
            "kill": len(self.kills) + 1,
            "victims": "+".join(victims),
            "in_flight": sent - journalled,
            "of_them_accepted": max(accepted - journalled, 0),
            "not_recorded": sent - recorded,
            "at_message": sent,
        }
        self.kills.append(kill)
        self._say(
            f"kill {kill['kill']:>3}  {kill['victims']:<22} {kill['in_flight']:>6} in flight, "
            f"{kill['not_recorded']:>6} not recorded by the pipeline"
        )


def _need(condition: Callable[[], bool], name: str) -> None:
    if not wait_for(condition, RETURN_TIMEOUT_S):
        raise DependencyError(f"{name} did no work within {RETURN_TIMEOUT_S:g} s of its kill")
