"""The same random rows through the kernels and through scalar references."""

from collections.abc import Mapping, Sequence
from typing import Any

from detectors.bank import Bank
from domain.equipment import Equipment, Kind, build_fleet
from domain.instants import seconds
from domain.readings import Quality
from tests.detectors.reference import Device, Found, Row
from tests.support.batches import make_batch
from tests.support.story import T0

LATE, WRONG = int(Quality.LATE), int(Quality.CLOCK_WRONG)

Rows = list[dict[str, Any]]
"""Rows of a fleet in order of arrival, as `make_batch` takes them."""


def row(identity: str, received_s: float, lag_s: float, **said: Any) -> dict[str, Any]:
    """One row, received at a second from the start, its event so much earlier."""
    received_ns = T0 + seconds(received_s)
    event_ns = received_ns - seconds(lag_s)
    return {"id": identity, "t": event_ns, "received_at_ns": received_ns, "quality": 0, **said}


def by_kernels(
    fleet: Sequence[Equipment],
    rows: Rows,
    parameters: Mapping[str, Mapping[str, float]],
    *,
    settle_s: int,
) -> tuple[list[Found], Bank]:
    """Findings of a bank, and the bank; a batch holds the rows of one second.

    Parameters
    ----------
    fleet
        Devices of one kind.
    settle_s
        Ticks after the last row.
    """
    bank = Bank(build_fleet(1, fleet), parameters)
    kind: Kind = fleet[0].kind
    ids = [equipment.id for equipment in fleet]
    findings, texts = [], dict[str, int]()
    for now, due in _seconds(rows, settle_s):
        if due:
            findings += bank.step(make_batch(kind, due, ids=ids, texts=texts))
        findings += bank.tick(now, 1)
    found: list[Found] = [
        (f.equipment_id, f.kind, f.level, f.phase, f.onset_ns, f.detected_at_ns, f.late)
        for f in findings
    ]
    return found, bank


def by_reference(devices: Sequence[Device], rows: Rows, *, settle_s: int) -> list[Found]:
    """Findings of one reference a device."""
    of_id = {device.equipment.id: device for device in devices}
    for now, due in _seconds(rows, settle_s):
        for one in due:
            of_id[one["id"]].take(_plain(one))
        for device in devices:
            device.tick(now)
    return [found for device in devices for found in device.found]


def _plain(row: Mapping[str, Any]) -> Row:
    return Row(
        event=row["t"],
        received=row["received_at_ns"],
        late=bool(row["quality"] & LATE),
        wrong=bool(row["quality"] & WRONG),
        online=row.get("online", -1),
        values=row.get("v", {}),
        code=row.get("code"),
        active=row.get("active", False),
    )


def _seconds(rows: Rows, settle_s: int) -> list[tuple[int, Rows]]:
    """Each second with the rows received up to it, until everything has settled."""
    last_s = (rows[-1]["received_at_ns"] - T0) // seconds(1) + settle_s
    due: dict[int, Rows] = {}
    for one in rows:
        due.setdefault(-(-(one["received_at_ns"] - T0) // seconds(1)), []).append(one)
    return [(T0 + seconds(s), due.get(s, [])) for s in range(last_s)]
