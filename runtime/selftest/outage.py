"""The telemetry store is away under load: detection goes on, and afterwards everything is stored.

The store is a real InfluxDB server. In the first half of the outage it hangs, which is worse than
being dead: connections are taken and nothing is answered. In the second half it is dead.
"""

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.errors import DependencyError
from domain.ports import StateStore
from runtime.selftest.common import (
    Keys,
    Say,
    concluded,
    due_s,
    expected_incidents,
    kept,
    keys_of,
    memory_bounded,
    opened_by,
    settle,
    telemetry_behind,
    wait_recorded,
    wait_telemetry,
)
from runtime.selftest.influx import Influx, influxd_program
from runtime.selftest.processes import MemoryWatch
from runtime.selftest.service import (
    Service,
    in_workplace,
    publisher,
    serving,
    wait_for,
)
from runtime.wiring import using_state
from simulators.load import LoadPlan, LoadPublisher

WARM_S = 5.0
"""Load before the outage, and again after it."""

DECISION_S = 10.0
"""An incident whose messages were sent this long ago must be open."""

SAID_AFTER_S = 60.0
"""A shorter outage need not show in readyz: a request may wait and be tried again so long."""

_SAMPLE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageOptions:
    """What the user chose.

    Parameters
    ----------
    rate_per_s
        Messages per second; 3,000 is a district.
    directory
        Empty directory to work in; ``None`` = a temporary one.
    """

    minutes: float = 10.0
    rate_per_s: float = 3_000.0
    devices: int = 60
    broker: str = ""
    seed: int = 1
    directory: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outage:
    """What was seen while the store was away and right after."""

    opened_before: int
    opened_during: int
    overdue: int
    said: str
    behind_s: float
    catch_up_s: float


def run_outage(options: OutageOptions, say: Say) -> dict[str, Any]:
    """Run the test and return its report.

    Raises
    ------
    DependencyError
        If ``influxd`` is not installed: a stand-in for a database would prove nothing.
    """
    program = influxd_program()
    if program is None:
        raise DependencyError(
            "outage SKIPPED, nothing was tested: influxd is not installed "
            "(apt-get install influxdb); a stand-in for a database would prove nothing"
        )
    return in_workplace(options.directory, say, lambda root: _test(options, program, root, say))


def _test(options: OutageOptions, program: str, root: Path, say: Say) -> dict[str, Any]:
    plan = _plan(options)
    with closing(Influx(program=program, folder=root / "influxdb")) as influx:
        influx.start()
        with (
            serving(
                plan, root / "data", broker=options.broker, environment=influx.settings()
            ) as service,
            using_state(service.site.root) as state,
            MemoryWatch(service.children) as memory,
        ):
            load = publisher(service, plan, endless=True)
            trial = _Trial(service, state, influx, plan, load, say)
            seen = trial.run(options.minutes * 60)
            sent = load.finish()
            complete = wait_recorded(service, state, sent.acknowledged)
            found = settle(service, state, plan, load, lambda: influx.stored_keys(plan))
            restarts = service.restarts()
    report = {
        "scenario": "outage",
        "broker": options.broker or "own choice",
        "minutes": options.minutes,
        "messages": sent.acknowledged,
        **found.report(plan),
        "incidents_opened_during_outage": seen.opened_during,
        "incidents_overdue_at_its_end": seen.overdue,
        "said_by_readyz": seen.said,
        "behind_at_end_s": round(seen.behind_s, 1),
        "catch_up_s": round(seen.catch_up_s, 1),
        "restarts": dict(restarts),
        "rss_mb_max": memory.most_mb(),
        "seed": options.seed,
    }
    promises = kept(found) | memory_bounded(memory.most_mb())
    return concluded(
        report,
        promises
        | {
            "every message offered was accepted": sent.offered == sent.acknowledged,
            "incidents were opened during the outage": seen.opened_during > 0 == seen.overdue,
            "the service said what was away": (
                "telemetry" in seen.said or options.minutes * 60 < SAID_AFTER_S
            ),
            "no process had to be started again": not any(restarts.values()),
            "everything is stored afterwards": complete,
        },
    )


def _plan(options: OutageOptions) -> LoadPlan:
    duration_s = options.minutes * 60 + 2 * WARM_S
    return LoadPlan(
        devices=options.devices,
        items=int(duration_s * options.rate_per_s),
        rate_per_s=options.rate_per_s,
        seed=options.seed,
        alarms=options.devices * 7 // 10,
        overloads=options.devices // 5,
    )


class _Trial:
    """One outage of the store while a load goes on."""

    def __init__(
        self,
        service: Service,
        state: StateStore,
        influx: Influx,
        plan: LoadPlan,
        load: LoadPublisher,
        say: Say,
    ) -> None:
        self._service, self._state, self._influx = service, state, influx
        self._plan, self._load, self._say = plan, load, say
        self._began_s = 0.0

    def run(self, outage_s: float) -> _Outage:
        """Load before, during and after; the load has been told to stop at the end."""
        self._began_s = time.monotonic()
        self._load.start(time.time_ns())
        try:
            self._pass(WARM_S)
            before = self._opened()
            self._say(f"store hangs, {before} incidents so far")
            self._influx.hang()
            self._pass(outage_s / 2)
            self._say(f"store is dead; readyz: {self._service.readiness() or 'ready'}")
            self._influx.kill()
            self._pass(outage_s / 2)
            said = self._service.readiness()
            during, overdue = self._opened() - before, self._overdue()
            behind_s = telemetry_behind(self._service)
            self._say(f"store comes back, {during} incidents were opened without it")
            self._influx.start()
            back_s = time.monotonic()
            self._pass(WARM_S)
        finally:
            self._load.stop()
        wait_telemetry(self._service)
        return _Outage(
            opened_before=before,
            opened_during=during,
            overdue=overdue,
            said=said,
            behind_s=behind_s,
            catch_up_s=time.monotonic() - back_s,
        )

    def _pass(self, duration_s: float) -> None:
        """Let time pass while the load goes on."""
        if wait_for(lambda: not self._load.running, duration_s):
            self._load.finish()

    def _opened(self) -> int:
        return len(opened_by(self._state))

    def _overdue(self) -> int:
        """Planned incidents whose messages are old enough and that are not open."""
        accepted: Keys = keys_of(*self._load.accepted())
        now_s = time.monotonic() - self._began_s
        old = accepted[due_s(self._plan, accepted) < now_s - DECISION_S]
        opened = set(opened_by(self._state))
        return sum(wanted not in opened for wanted in expected_incidents(self._plan, old))
