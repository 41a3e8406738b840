"""Every broken kind of message through a real broker and the whole service."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from paho.mqtt.client import Client

from domain.equipment import Equipment, Kind, build_fleet
from domain.instants import NS_PER_S, from_iso, to_iso
from ingest import topics
from ingest.broker import ensure_passwords, logins_for, start_broker, usernames
from runtime.serve import PASSWORDS
from tests.support import brokers
from tests.support.brokers import connect, disconnect, eventually, publish
from tests.support.service import Service, running_service

pytestmark = pytest.mark.broker

GATEWAY = "G1"
MARK = 4711
"""Value of ``trips`` in the good message that follows each broken one."""

REFUSED: Mapping[str, tuple[str, bytes, str]] = {
    "not-json": ("status", b"hello", "not_json"),
    "cut-json": ("status", b'{"ts": 1', "not_json"),
    "wrong-topic": ("nonsense", b'{"v": {"trips": 1}}', "bad_topic"),
    "large": ("status", b'{"v": {"trips": 1}, "x": "' + b"x" * (2 << 20) + b'"}', "too_large"),
    "deep": ("status", b'{"v": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "too_deep"),
    "not-utf8": ("status", b'{"v": {"car_position": "\xff\xfe"}}', "not_utf8"),
    "empty": ("status", b"", "not_json"),
    "no-content": ("status", b'{"ts": 0}', "no_content"),
}
"""Device: last level of the topic, payload, reason in quarantine."""

UNKNOWN: Mapping[str, str] = {
    "nan": "NaN",
    "infinite": "-Infinity",
    "huge": "1e308",
    "overflow": "1e999",
    "sentinel": "-999.9",
    "sentinel-16": "65535",
}
"""Device: JSON text of ``load_kg`` that must be read as unknown, while the rest is used."""

CLOCKS = {"year-1970": "1970-01-01T00:00:09Z", "year-2100": "2100-01-01T00:00:00Z"}
RETAINED = "retained"

LIFTS = [*REFUSED, *UNKNOWN, *CLOCKS, RETAINED, "foreign"]
REGISTRY = [
    *(Equipment(id=name, kind=Kind.LIFT) for name in LIFTS),
    Equipment(id="own", kind=Kind.LIFT, gateway_id=GATEWAY),
]


@dataclass
class Site:
    service: Service
    passwords: Mapping[str, str]

    def send(self, user: str, topic: str, payload: bytes) -> None:
        client = self.login(user)
        try:
            assert publish(client, topic, payload)
        finally:
            disconnect(client)

    def login(self, user: str) -> Client:
        return connect(self.service.broker_url, user, self.passwords[user])

    def channel(self, equipment_id: str, name: str) -> Mapping[str, Any]:
        latest = self.service.get(f"/api/v1/equipment/{equipment_id}/latest").json()
        return next(entry for entry in latest["channels"] if entry["name"] == name)

    def rows(self, equipment_id: str) -> list[dict[str, Any]]:
        path = f"/api/v1/equipment/{equipment_id}/readings"
        answer = self.service.get(path, start="2001-01-01T00:00:00Z", end="2099-01-01T00:00:00Z")
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    def processed(self) -> bool:
        """Whether the good message that followed each broken one can be seen."""
        return all(self.channel(e.id, "trips")["last_value"] == MARK for e in REGISTRY)

    def unacknowledged(self) -> float:
        stats = msgspec.json.decode(self.service.site.ingest_stats.read_bytes())
        return float(stats["unacknowledged"])


def item(seq: int, trips: int, **more: str) -> bytes:
    """JSON text of one item; ``more`` are channels with their value as JSON text."""
    channels = {"trips": str(trips), **more}
    values = ", ".join(f'"{name}": {text}' for name, text in channels.items())
    ts = to_iso(time.time_ns())
    return f'{{"ts": "{ts}", "seq": {seq}, "boot": "b", "v": {{{values}}}}}'.encode()


def gateway_item(equipment_id: str, trips: int) -> dict[str, Any]:
    ts = to_iso(time.time_ns())
    place = {"kind": "lift", "id": equipment_id, "stream": "status"}
    return {**place, "ts": ts, "seq": trips, "v": {"trips": trips}}


def status(name: str) -> str:
    return f"ew/v1/lift/{name}/status"


def send_broken(site: Site) -> None:
    for name, (level, payload, _) in REFUSED.items():
        site.send(name, f"ew/v1/lift/{name}/{level}", payload)
    for name, text in UNKNOWN.items():
        site.send(name, status(name), item(1, 1, load_kg=text))
    for name, ts in CLOCKS.items():
        site.send(name, status(name), f'{{"ts": "{ts}", "v": {{"trips": 1}}}}'.encode())
    items = [gateway_item("foreign", 1), gateway_item("own", 1)]
    site.send(GATEWAY, topics.gateway(GATEWAY), json.dumps(items).encode())


def send_good(site: Site) -> None:
    for name in LIFTS:
        site.send(name, status(name), item(2, MARK, car_status="0"))
    payload = json.dumps(gateway_item("own", MARK)).encode()
    site.send(GATEWAY, topics.gateway(GATEWAY), payload)


@pytest.mark.parametrize("broker", brokers.BROKERS)
def test_each_ends_as_the_contract_says_and_the_next_good_message_is_processed(
    broker: str, tmp_path: Path
) -> None:
    if reason := brokers.missing(broker):
        pytest.skip(reason)
    data = tmp_path / "data"
    fleet = build_fleet(1, REGISTRY)
    passwords = ensure_passwords(data / "broker", usernames(fleet, ()))
    assert (data / "broker" / PASSWORDS).is_file()
    running = start_broker(tmp_path / "broker", logins_for(fleet, (), passwords), prefer=broker)
    try:
        # The broker keeps it from before the service subscribed, so it arrives as retained.
        client = connect(running.url, RETAINED, passwords[RETAINED])
        assert publish(client, status(RETAINED), item(1, 1), retain=True)
        disconnect(client)
        environment = {"EQUIPWATCH_BROKER__URL": running.url}
        with running_service(data, REGISTRY, environment=environment) as service:
            service.mqtt_port = int(running.url.rpartition(":")[2])
            site = Site(service, passwords)
            send_broken(site)
            sent_ns = time.time_ns()
            send_good(site)
            assert eventually(site.processed, 20), service.tail()
            check_refused(site)
            check_unknown(site)
            check_clocks(site, sent_ns)
            assert site.rows(RETAINED)[0]["quality"] == ["late", "retained"]
            check_counts(site)
            assert eventually(lambda: site.unacknowledged() == 0, 5)
            assert service.stop() == 0
    finally:
        running.stop()


def check_refused(site: Site) -> None:
    entries = site.service.get("/api/v1/quarantine", limit=100).json()["items"]
    found = {(entry["sender"], entry["reason"]): entry for entry in entries}
    expected = {(name, reason) for name, (level, _, reason) in REFUSED.items() if level == "status"}
    assert found.keys() == expected | {("", "bad_topic"), (GATEWAY, "foreign_id")}
    for (sender, reason), entry in found.items():
        assert entry["count"] == 1, (sender, reason)
        assert entry["detail"], (sender, reason)
        assert entry["first_at"] == entry["last_at"]
    assert found["", "bad_topic"]["topic"] == "ew/v1/lift/wrong-topic/nonsense"
    assert "foreign" in found[GATEWAY, "foreign_id"]["detail"]
    assert [row["values"]["trips"] for row in site.rows("own")] == [1, MARK]
    assert [row["values"]["trips"] for row in site.rows("foreign")] == [MARK]
    log = site.service.log.read_text(encoding="utf-8")
    assert any('"foreign_id"' in line and "warning" in line for line in log.splitlines())


def check_unknown(site: Site) -> None:
    for name in UNKNOWN:
        first, second = site.rows(name)
        assert first["values"] == {"trips": 1, "load_kg": None}, name
        assert first["quality"] == ["bad_value"], name
        assert second["quality"] == [], name
        assert site.channel(name, "load_kg")["known"] is False, name


def check_clocks(site: Site, sent_ns: int) -> None:
    for name in CLOCKS:
        first = site.rows(name)[0]
        assert "clock_wrong" in first["quality"], name
        assert first["at"] == first["received_at"], name
        assert abs(from_iso(first["at"]) - sent_ns) < 30 * NS_PER_S, name
    open_now = site.service.get("/api/v1/incidents").json()["items"]
    assert sorted((i["equipment_id"], i["kind"]) for i in open_now) == [
        (name, "clock_wrong") for name in sorted(CLOCKS)
    ]


def check_counts(site: Site) -> None:
    # What is recorded trails what can be seen by a commit.
    messages = len(REFUSED) + len(UNKNOWN) + len(CLOCKS) + 2 + len(LIFTS) + 1
    assert eventually(lambda: site.service.counters().get("messages") == messages, 5)
    counters = site.service.counters()
    assert counters["quarantined"] == len(REFUSED)
    assert counters["decoded"] + counters["quarantined"] == counters["messages"]
    assert counters["bad_values"] == len(UNKNOWN)
    assert counters["clock_wrong"] == len(CLOCKS)
    assert counters["refused_items"] == 2
