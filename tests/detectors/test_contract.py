"""What every entry of the catalogue must be, whatever it detects."""

import inspect
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors import catalog
from detectors.bank import Bank
from detectors.base import Staged
from domain.channels import CHANNELS, COLUMNS, Channel, ChannelType
from domain.equipment import Equipment, Fleet, Kind, build_fleet
from domain.findings import Finding
from domain.incidents import KIND_NAMES
from domain.instants import seconds
from tests.detectors.scratch import add_line, copied, probe
from tests.support.batches import make_batch
from tests.support.story import T0

IDS = ("D0", "D1", "D2", "D3")

NUMBERS: Mapping[str, Sequence[float]] = {
    "speed_mps": (0.0, 0.5, -0.5),
    "handrail_speed_left_mps": (0.5, 0.4, 0.0),
    "handrail_speed_right_mps": (0.5, 0.6),
    "load_kg": (0.0, 150.0),
    "steam_pressure_mpa": (0.7, 0.79, 0.81, 0.84, 0.9),
    "water_level_mm": (0.0, -45.0, -60.0, -90.0),
    "steam_temperature_c": (170.0, 175.0, 190.0),
    "flue_gas_temperature_c": (150.0, 180.0),
    "feed_water_flow_tph": (0.0, 3.0),
    "steam_flow_tph": (0.0, 2.0),
    "hook_load_t": (0.0, 4.0, 9.0, 11.0, 13.0),
    "radius_m": (5.0, 12.0),
    "hook_height_m": (1.0, 3.0, 6.0),
    "hoist_speed_mps": (0.0, 0.3, -0.3),
    "sway_deg": (0.0, 2.0, -8.0),
    "wind_speed_mps": (3.0, 14.0, 25.0),
    "internal_pressure_mpa": (0.0, 0.3),
}
"""Readings near the limits of the equipment below; any other number is between 0 and 1."""

FAULTS = {Kind.LIFT: "gbt24476:04", Kind.ESCALATOR: "gbt24476:63"}

DETECTORS: dict[str, Staged] = {
    f"{name}-{detector.incident}": detector
    for name, (_, make) in catalog.STAGED.items()
    for detector in make(catalog.parameters_of(name, {}))
}
KINDS = sorted({kind for detector in DETECTORS.values() for kind in detector.kinds})


def fleet(kind: Kind, ids: Sequence[str] = IDS) -> Fleet:
    members = [
        Equipment(
            id=identity,
            kind=kind,
            report_interval_s=30.0,
            rated_speed_mps=1.0,
            rated_pressure_mpa=0.8,
            rated_evaporation_tph=2.0,
            rated_load_t=10.0,
            wind_limit_mps=20.0,
        )
        for identity in ids
    ]
    return build_fleet(1, members)


def reading(rng: np.random.Generator, channel: Channel) -> Any:
    if rng.random() < 0.05:
        return None
    match channel.type:
        case ChannelType.FLAG:
            return int(rng.integers(2))
        case ChannelType.CODE:
            return int(rng.choice(list(channel.codes)))
    return float(rng.choice(NUMBERS.get(channel.name, (0.0, 0.5, 1.0))))


def traffic(kind: Kind, seed: int, ids: Sequence[str] = IDS) -> Iterator[list[dict[str, Any]]]:
    """Rows of each of 120 seconds: a device speaks every few seconds and changes something."""
    rng = np.random.default_rng(seed)
    for second in range(120):
        rows = []
        for identity in IDS:
            # Labels stand for places in a vocabulary, which is another one in other company.
            plain = (c for c in CHANNELS[kind] if c.type is not ChannelType.LABEL)
            chosen = [channel for channel in plain if rng.random() < 0.4]
            values = {channel.name: reading(rng, channel) for channel in chosen}
            row = {"id": identity, "t": T0 + seconds(second) - seconds(0.2), "v": values}
            row |= {"received_at_ns": T0 + seconds(second) - seconds(0.1), "position": 2 * second}
            if rng.random() < 0.05 and kind in FAULTS:
                row |= {"code": FAULTS[kind], "active": bool(rng.integers(2))}
            if rng.random() < 0.5 and identity in ids:
                rows.append(row)
        yield rows


def run(bank: Bank, kind: Kind, work: Iterator[list[dict[str, Any]]]) -> list[Finding]:
    findings: list[Finding] = []
    for second, rows in enumerate(work):
        if rows:
            findings += bank.step(make_batch(kind, rows, ids=IDS))
        findings += bank.tick(T0 + seconds(second), 2 * second + 1)
    return findings


def state_of(bank: Bank, kind: Kind, slot: int) -> dict[str, bytes]:
    """State of one device, array by array."""
    return {
        name: np.ascontiguousarray(array[slot]).tobytes()
        for name, array in bank.arrays(kind)
        if array.ndim
    }


@pytest.mark.parametrize("detector", DETECTORS.values(), ids=list(DETECTORS))
def test_an_entry_says_what_it_is(detector: Staged) -> None:
    module = sys.modules[type(detector).__module__]
    assert detector.kinds
    for kind in detector.kinds:
        assert set(detector.channels) <= COLUMNS[kind].keys()
    assert set(detector.limits) <= set(detector.channels)
    assert detector.incident in KIND_NAMES
    assert set(detector.times()) <= set(detector.arrays())
    text = inspect.getdoc(module) or ""
    assert len(text) > 200, "the module's docstring must say what is detected, and how"
    assert re.search(r"\b(fails?|says nothing|not judged)\b", text), "and when it fails"


@pytest.mark.parametrize("kind", KINDS)
def test_devices_that_say_nothing_keep_their_state(kind: Kind) -> None:
    bank = Bank(fleet(kind))
    before = state_of(bank, kind, 3)
    run(bank, kind, traffic(kind, 1, IDS[:3]))
    assert state_of(bank, kind, 3) == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_device_is_judged_alike_in_any_company(kind: Kind) -> None:
    together, alone = Bank(fleet(kind)), Bank(fleet(kind))
    found = [f for f in run(together, kind, traffic(kind, 2)) if f.equipment_id == "D2"]
    assert run(alone, kind, traffic(kind, 2, ["D2"])) == found
    assert state_of(alone, kind, 2) == state_of(together, kind, 2)
    assert found, "this traffic must exercise something"


@pytest.mark.parametrize("kind", KINDS)
def test_a_restart_in_the_middle_changes_no_state(kind: Kind) -> None:
    whole, first, second = (Bank(fleet(kind)) for _ in range(3))
    work = list(traffic(kind, 3))
    found = run(whole, kind, iter(work))
    before = run(first, kind, iter(work[:50]))
    second.restore(first.snapshot())
    after: list[Finding] = []
    for now_s, rows in enumerate(work[50:], 50):
        after += second.step(make_batch(kind, rows, ids=IDS)) if rows else []
        after += second.tick(T0 + seconds(now_s), 2 * now_s + 1)
    assert before + after == found
    assert second.snapshot() == whole.snapshot()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_claimed_of_what_is_unknown(kind: Kind) -> None:
    bank = Bank(fleet(kind))
    blind = {channel.name: None for channel in CHANNELS[kind]}
    rows = [{"id": identity, "v": blind} for identity in IDS]
    work = ([{**row, "t": T0 + seconds(s)} for row in rows] for s in range(300))
    assert run(bank, kind, iter(work)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_device_that_joins_later_begins_as_a_fresh_one(kind: Kind) -> None:
    grown = Bank(fleet(kind, IDS[:2]))
    run(grown, kind, traffic(kind, 4, IDS[:2]))
    before = state_of(grown, kind, 1)
    grown.set_fleet(fleet(kind))
    assert state_of(grown, kind, 1) == before
    assert state_of(grown, kind, 3) == state_of(Bank(fleet(kind)), kind, 3)


LINE = """    "hot_cabin": (HotCabinParameters, lambda p: (HotCabin(p),)),
"""

PROBE = """
from detectors import catalog, hot_cabin
from tests.detectors import test_contract as contract

entry = contract.DETECTORS["hot_cabin-statistical_anomaly"]
assert type(entry) is hot_cabin.HotCabin
contract.test_an_entry_says_what_it_is(entry)
catalog.check({"hot_cabin": {"limit_c": 40.0}})
bank = contract.Bank(contract.fleet(contract.Kind.LIFT), {"hot_cabin": {"limit_c": 40.0}})
rows = [{"id": "D1", "t": contract.T0, "v": {"cabin_temperature_c": 42.0}}]
batch = contract.make_batch(contract.Kind.LIFT, rows, ids=contract.IDS)
found = bank.step(batch)
for second in range(1, 30):
    found += bank.tick(contract.T0 + contract.seconds(second), second)
told = [(f.equipment_id, str(f.kind), f.onset_ns) for f in found]
assert told == [("D1", "statistical_anomaly", contract.T0)], told
"""


def test_a_detector_is_one_module_and_one_line(tmp_path: Path) -> None:
    tree = copied(tmp_path)
    shutil.copy(Path(__file__).with_name("scratch_rule.py"), tree / "hot_cabin.py")
    add_line(
        tree / "catalog.py", "detectors.hot_cabin", "HotCabin, HotCabinParameters", "STAGED", LINE
    )
    probe(tmp_path, PROBE)
