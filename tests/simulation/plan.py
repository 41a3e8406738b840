"""What one seed chooses: fleet, traffic, dangers, faults, and which faults there are at all."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from domain.equipment import Equipment, Firm, Kind

FAULT_SHARE = 0.3
"""Chance of each fault to be enabled: a few at a time reach what all at once would hide."""


class Fault(StrEnum):
    """What can go wrong; each seed enables some."""

    SLOW_NETWORK = "slow_network"
    INGEST_LINK = "ingest_link"
    DEVICE_LINKS = "device_links"
    BROKER_RESTART = "broker_restart"
    BROKER_UNSYNCED = "broker_unsynced"
    SESSION_LOST = "session_lost"
    QUEUE_LIMIT = "queue_limit"
    INGEST_CRASH = "ingest_crash"
    CORE_CRASH = "core_crash"
    POWER_LOSS = "power_loss"
    DISK_FULL = "disk_full"
    DISK_BUDGET = "disk_budget"
    TELEMETRY_AWAY = "telemetry_away"
    STATE_AWAY = "state_away"
    OUR_CLOCK = "our_clock"
    DEVICE_CLOCKS = "device_clocks"
    REBOOTS = "reboots"
    RUBBISH = "rubbish"
    SMALL_ROOM = "small_room"


class Danger(StrEnum):
    """Dangers that are scripted; the word is the case of the incident that they must open."""

    ALARM = "alarm"
    ENTRAPMENT = "entrapment"
    OVERLOAD = "overload"
    LOW_WATER = "low_water_firing"


KIND_OF = {
    Danger.ALARM: Kind.LIFT,
    Danger.ENTRAPMENT: Kind.LIFT,
    Danger.OVERLOAD: Kind.CRANE,
    Danger.LOW_WATER: Kind.BOILER,
}
CASES = {
    Danger.ALARM: "rescue",
    Danger.ENTRAPMENT: "rescue",
    Danger.OVERLOAD: "overload",
    Danger.LOW_WATER: "low_water_firing",
}
DANGER_S = {
    Danger.ALARM: 0.0,
    Danger.ENTRAPMENT: 40.0,
    Danger.OVERLOAD: 25.0,
    Danger.LOW_WATER: 25.0,
}

FIRM = Firm(id="acme", mqtt_notify=True)
GATEWAY = "gw1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A danger of one device, from a second of the simulation on."""

    danger: Danger
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Choices of a seed."""

    faults: frozenset[Fault]
    duration_s: float
    fleet: tuple[Equipment, ...]
    scripts: dict[str, Script]
    interval_s: float
    commit_interval_s: float
    commit_messages: int
    receive_maximum: int
    renumbers: bool
    segment_s: int
    loads_apart: bool
    batch_messages: int
    snapshot_s: float
    duckdb: bool

    def __contains__(self, fault: Fault) -> bool:
        return fault in self.faults


def plan_of(seed: int) -> Plan:
    """Choices of a seed; the same seed always chooses the same."""
    dice = Random(f"{seed}/plan")
    faults = frozenset(fault for fault in Fault if dice.random() < FAULT_SHARE)
    fleet = _fleet(dice)
    commit_messages = dice.choice((1, 3, 10, 50))
    return Plan(
        faults=frozenset() if dice.random() < 0.05 else faults,
        duration_s=dice.uniform(35, 70),
        fleet=fleet,
        scripts=_scripts(dice, fleet),
        interval_s=dice.choice((1.0, 2.0, 3.0, 4.0, 4.0)),
        commit_interval_s=dice.uniform(0.1, 1.0),
        commit_messages=commit_messages,
        receive_maximum=commit_messages * 2 + dice.choice((0, 5, 100)),
        renumbers=dice.random() < 0.5,
        segment_s=dice.choice((20, 60, 3600)),
        loads_apart=dice.random() < 0.5,
        snapshot_s=dice.choice((20.0, 60.0, 60.0)),
        batch_messages=dice.choice((1, 20, 5000)),
        duckdb=dice.random() < 0.03,
    )


def _fleet(dice: Random) -> tuple[Equipment, ...]:
    kinds = dice.sample((Kind.LIFT, Kind.LIFT, Kind.CRANE, Kind.BOILER), dice.choice((1, 2, 2)))
    counts = {kind: dice.choice((1, 2, 3)) for kind in kinds}
    return tuple(
        Equipment(
            id=f"{kind[0].upper()}{number}",
            kind=kind,
            maintenance_firm=FIRM.id,
            gateway_id=GATEWAY if dice.random() < 0.3 else "",
            rated_load_t=10.0 if kind is Kind.CRANE else None,
            rated_pressure_mpa=1.0 if kind is Kind.BOILER else None,
        )
        for kind, count in counts.items()
        for number in range(count)
    )


def _scripts(dice: Random, fleet: tuple[Equipment, ...]) -> dict[str, Script]:
    scripts = {}
    for equipment in fleet:
        fitting = [danger for danger, kind in KIND_OF.items() if kind is equipment.kind]
        if dice.random() < 0.6:
            script = Script(danger=dice.choice(fitting), at_s=dice.uniform(9, 20))
            scripts[equipment.id] = script
    return scripts
