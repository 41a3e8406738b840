"""What every self-test counts: what was accepted, what is stored, which incidents were opened."""

import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from domain.equipment import Kind
from domain.incidents import IncidentKind
from domain.ports import StateStore
from ingest import service as service_messages
from ingest.journal import JournalReader
from ingest.service import ServiceEventKind
from runtime.offline import all_incidents
from runtime.pipeline import CONSUMER
from runtime.selftest.service import Service, wait_for, wait_while_moving
from runtime.site import Site
from simulators.load import LoadPlan, LoadPublisher
from storage.schema import measurement

Say = Callable[[str], None]
Keys = NDArray[np.int64]
"""Items as ``device << 32 | seq``, sorted."""

Opened = tuple[str, IncidentKind]
"""An incident: whose, and of which kind."""

RESIDENT_MAX_MB = 600.0
"""Most memory of ingest and core together, whatever happens."""

STORE_BEHIND_S = 2.0
"""What the telemetry store may be behind the pipeline and counts as up with it: rows are stored
in groups."""

STILL_S = 4.0
"""Where items may be missing for good, so long nothing new must come before they are counted."""

EXAMPLES_MAX = 10
"""Lost or doubled items that a report names."""

OVERLOAD_ITEMS, OVERLOAD_S = 8, 2.0
"""Items from an overload's first on, and their time, without which nobody need have seen it."""

_SEQ_BITS = 32
_PLANNED = (IncidentKind.ALARM_BUTTON, IncidentKind.OVERLOAD)
_READ_MESSAGES = 20_000


def keys_of(device: NDArray[np.int64], seq: NDArray[np.int64]) -> Keys:
    """Keys of items, sorted."""
    return np.sort(device.astype(np.int64) << _SEQ_BITS | seq.astype(np.int64))


def stored_keys(site: Site) -> Keys:
    """Every row of the DuckDB file, read past our own store; the service must have ended."""
    parts = []
    with closing(duckdb.connect(str(site.telemetry), read_only=True)) as connection:
        for kind in Kind:
            columns = (
                "CAST(substr(equipment_id, 2) AS BIGINT) AS device, CAST(seq AS BIGINT) AS seq"
            )
            query = f"SELECT {columns} FROM {measurement(kind)}"  # noqa: S608 - constants only
            rows = connection.execute(query).fetchnumpy()
            parts.append(keys_of(np.asarray(rows["device"]), np.asarray(rows["seq"])))
    return np.sort(np.concatenate(parts))


def names(plan: LoadPlan, keys: Iterable[int]) -> list[str]:
    """Items as ``equipment/seq``."""
    return [f"{plan.equipment[k >> _SEQ_BITS].id}/{k & ((1 << _SEQ_BITS) - 1)}" for k in keys]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Items and incidents held against what the broker accepted.

    Parameters
    ----------
    lost
        Items in acknowledged messages that the store does not hold.
    duplicated
        Rows beyond the first of an item.
    missing
        Keys of the lost ones.
    incidents_missed, incidents_duplicated, incidents_made_up
        Planned incidents that were not opened, opened more than once, and alarms or overloads that
        nobody planned.
    """

    accepted: int
    stored: int
    lost: int
    duplicated: int
    missing: Keys
    incidents_expected: int
    incidents_missed: int
    incidents_duplicated: int
    incidents_made_up: int
    incidents_missing: tuple[str, ...]

    def report(self, plan: LoadPlan) -> dict[str, Any]:
        """The figures as a command prints them."""
        return {
            "accepted_items": self.accepted,
            "stored_items": self.stored,
            "lost": self.lost,
            "duplicated": self.duplicated,
            "lost_items": names(plan, self.missing[:EXAMPLES_MAX].tolist()),
            "incidents_expected": self.incidents_expected,
            "incidents_missed": self.incidents_missed,
            "incidents_duplicated": self.incidents_duplicated,
            "incidents_made_up": self.incidents_made_up,
            "incidents_missing": list(self.incidents_missing),
        }


def account(plan: LoadPlan, accepted: Keys, stored: Keys, opened: Iterable[Opened]) -> Account:
    """Hold what is stored and opened against what was accepted."""
    distinct, times = np.unique(stored, return_counts=True)
    missing = np.setdiff1d(accepted, distinct)
    expected = expected_incidents(plan, accepted)
    times_opened = Counter(one for one in opened if one[1] in _PLANNED)
    missed = [wanted for wanted in expected if not times_opened[wanted]]
    return Account(
        accepted=len(accepted),
        stored=len(stored),
        lost=len(missing),
        duplicated=int((times - 1).sum()),
        missing=missing,
        incidents_expected=len(expected),
        incidents_missed=len(missed),
        incidents_duplicated=sum(count - 1 for count in times_opened.values()),
        incidents_made_up=len(times_opened.keys() - set(plan.expected())),
        incidents_missing=tuple(f"{equipment}: {kind}" for equipment, kind in missed),
    )


def opened_by(state: StateStore) -> list[Opened]:
    """Every incident of a state store."""
    return [(incident.equipment_id, incident.kind) for incident in all_incidents(state)]


def expected_incidents(plan: LoadPlan, accepted: Keys) -> list[Opened]:
    """Planned incidents whose items were accepted."""
    overload = OVERLOAD_ITEMS + int(OVERLOAD_S * plan.rate_per_s / plan.devices)
    wanted = [(d, seq, 1, IncidentKind.ALARM_BUTTON) for d, seq in plan.alarmed.items()]
    wanted += [(d, seq, overload, IncidentKind.OVERLOAD) for d, seq in plan.overloaded.items()]
    return [
        (plan.equipment[device].id, kind)
        for device, seq, count, kind in wanted
        if _all_in(accepted, (device << _SEQ_BITS) + np.arange(seq, seq + count))
    ]


def _all_in(keys: Keys, wanted: Keys) -> bool:
    """Whether sorted keys hold all of some consecutive ones."""
    first = np.searchsorted(keys, wanted[0])
    return bool(np.array_equal(keys[first : first + len(wanted)], wanted))


def named_by_ledger(state: StateStore, plan: LoadPlan) -> Keys:
    """Items whose numbers the ledger lists as missing."""
    found: list[int] = []
    with state.reading() as tx:
        for device, equipment in enumerate(plan.equipment):
            for row in tx.ledger.hours(equipment.id, start_ns=0, end_ns=time.time_ns()):
                for part in row.missing.ranges:
                    found += [device << _SEQ_BITS | n for n in range(part.first, part.last + 1)]
    return np.array(sorted(found), dtype=np.int64)


def due_s(plan: LoadPlan, keys: Keys) -> NDArray[np.float64]:
    """When items of a plan without gateways were due, after its start [s]."""
    number = ((keys & ((1 << _SEQ_BITS) - 1)) - 1) * plan.devices + (keys >> _SEQ_BITS)
    return number / plan.rate_per_s


def recorded_items(state: StateStore) -> int:
    """Distinct items that the pipeline has recorded."""
    with state.reading() as tx:
        return tx.offsets.counters(CONSUMER).get("accepted", 0)


def telemetry_behind(service: Service) -> float:
    """Journal time that the telemetry store is behind the pipeline [s]; infinite when unknown."""
    return service.metrics().get("equipwatch_telemetry_behind_seconds", float("inf"))


def wait_recorded(service: Service, state: StateStore, items: int) -> bool:
    """Wait until the pipeline has recorded so many items and its store is up with it."""
    recorded = wait_while_moving(
        lambda: recorded_items(state) >= items, lambda: recorded_items(state)
    )
    return recorded and wait_telemetry(service)


def wait_telemetry(service: Service) -> bool:
    """Wait until the telemetry store is up with the pipeline."""
    return wait_while_moving(
        lambda: telemetry_behind(service) <= STORE_BEHIND_S, lambda: telemetry_behind(service)
    )


def wait_still(state: StateStore, timeout_s: float) -> None:
    """Wait until the pipeline has recorded nothing more for `STILL_S`."""
    last, since_s = recorded_items(state), time.monotonic()

    def still() -> bool:
        nonlocal last, since_s
        now = recorded_items(state)
        if now != last:
            last, since_s = now, time.monotonic()
        return time.monotonic() - since_s >= STILL_S

    wait_for(still, timeout_s)


def settle(
    service: Service,
    state: StateStore,
    plan: LoadPlan,
    load: LoadPublisher,
    stored: Callable[[], Keys] | None = None,
) -> Account:
    """Stop the service in good order, and account for what its broker accepted.

    Parameters
    ----------
    stored
        Reads the rows of the telemetry store; default: those of the DuckDB file.
    """
    service.stop()
    rows = stored_keys(service.site) if stored is None else stored()
    return account(plan, keys_of(*load.accepted()), rows, opened_by(state))


class Journalled:
    """Distinct device messages in a journal, read on as it grows."""

    def __init__(self, site: Site) -> None:
        self._reader = JournalReader(site.journal)
        self._position = 0
        self._seen: set[int] = set()
        self.messages = 0
        self.shed = 0

    def distinct(self) -> int:
        """Messages journalled so far, repeats and signs of life left out."""
        while frames := self._reader.read(self._position, _READ_MESSAGES):
            self._position = frames[-1].position
            for message in (message for frame in frames for message in frame.messages):
                if message.topic == service_messages.TOPIC:
                    event = service_messages.event_of(message)
                    self.shed += event.count if event.kind is ServiceEventKind.SHED else 0
                elif not message.topic.endswith("/alive"):
                    self.messages += 1
                    # 64 bits: among a million messages two are alike once in 37 million runs.
                    self._seen.add(hash((message.topic, message.payload)))
        return len(self._seen)

    def close(self) -> None:
        """Give the files free."""
        self._reader.close()


def machine() -> dict[str, Any]:
    """Where the figures come from."""
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
    }


def concluded(report: Mapping[str, Any], promises: Mapping[str, bool]) -> dict[str, Any]:
    """A report with the machine and the promises that were broken."""
    broken = [promise for promise, kept in promises.items() if not kept]
    return {**report, "machine": machine(), "broken": broken}


def memory_bounded(most_mb: Mapping[str, float]) -> dict[str, bool]:
    """Promise about the memory of our own processes."""
    used_mb = sum(most_mb.get(name, 0.0) for name in ("ingest", "core"))
    return {f"ingest and core stay within {RESIDENT_MAX_MB:g} MB": used_mb <= RESIDENT_MAX_MB}


def kept(found: Account) -> dict[str, bool]:
    """Promises that every scenario makes."""
    return {
        "nothing acknowledged is lost": found.lost == 0,
        "nothing is stored twice": found.duplicated == 0,
        "no incident is missed": found.incidents_missed == 0,
        "no incident is raised twice": found.incidents_duplicated == 0,
        "no incident is made up": found.incidents_made_up == 0,
    }
