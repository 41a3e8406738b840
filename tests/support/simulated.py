"""Shared pieces of the simulators' tests: small worlds, and payloads taken apart."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.instants import NS_PER_S, from_iso
from domain.readings import Stream
from ingest import topics
from simulators.outgoing import Outgoing
from simulators.scenario import Entry, FleetSize, Scenario, make_entry
from simulators.world import World

START_NS = from_iso("2026-03-05T08:30:00+08:00")
"""A weekday morning: the demand is high."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item as published."""

    at_s: float
    equipment_id: str
    stream: Stream
    body: dict[str, Any]

    @property
    def values(self) -> dict[str, Any]:
        values = self.body.get("v", {})
        assert isinstance(values, dict)
        return values


def entry(what: str, equipment_id: str, start_s: float, duration_s: float, **p: object) -> Entry:
    return make_entry(what, equipment_id, start_s=start_s, duration_s=duration_s, parameters=p)


def world(*entries: Entry, duration_s: float = 300.0, seed: int = 11, **fleet: int) -> World:
    size = FleetSize(**(fleet or {"lifts": 2, "boilers": 2, "cranes": 2}))
    scenario = Scenario(name="test", duration_s=duration_s, fleet=size, entries=entries)
    return World(scenario, seed, START_NS)


def item(outgoing: Outgoing) -> Item:
    topic = topics.parse(outgoing.topic)
    assert isinstance(topic, topics.DeviceTopic)
    at_s = (outgoing.at_ns - START_NS) / NS_PER_S
    return Item(at_s, topic.equipment_id, topic.stream, json.loads(outgoing.payload))


def items_of(messages: Iterable[Outgoing], equipment_id: str) -> list[Item]:
    found = [item(outgoing) for outgoing in messages if f"/{equipment_id}/" in outgoing.topic]
    assert found, f"{equipment_id} sent nothing"
    return found


def states(items: Iterable[Item]) -> Iterable[tuple[float, Mapping[str, Any]]]:
    """Time of sending and the values that hold after each item that carries values."""
    held: dict[str, Any] = {}
    for one in items:
        if one.values:
            held |= one.values
            yield one.at_s, dict(held)


def truth_s(instant_ns: int | None) -> float:
    assert instant_ns is not None
    return (instant_ns - START_NS) / NS_PER_S
