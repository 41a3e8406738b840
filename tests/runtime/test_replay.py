"""A real recording published as a device, from the broker to the store and the API."""

import csv
import json
import time
from pathlib import Path
from typing import Any

import pytest

from domain.equipment import Equipment, Kind
from domain.instants import NS_PER_S, from_iso
from ingest.broker import (
    ensure_passwords,
    logins_for,
    start_broker,
    usernames,
    write_passwords,
)
from tests.support.brokers import FLEET, eventually
from tests.support.service import run_cli, running_service, stored_numbers

pytestmark = pytest.mark.broker

RECORDING = (
    Path(__file__).parents[2].parent
    / "shared/data/nab/realKnownCause/machine_temperature_system_failure.csv"
)
ROWS = 4_000
"""Rows of the recording that are replayed: two weeks of it, to keep the test short."""


@pytest.mark.skipif(
    not RECORDING.is_file(), reason=f"THE REAL RECORDING IS MISSING: {RECORDING} is not there"
)
def test_a_recorded_series_arrives_in_the_store_and_at_the_api(tmp_path: Path) -> None:
    with RECORDING.open(encoding="utf-8") as source:
        lines = source.readlines()[: ROWS + 1]
    file = tmp_path / "machine_temperature.csv"
    file.write_text("".join(lines), encoding="utf-8")
    values = [float(row["value"]) for row in csv.DictReader(lines)]
    data = tmp_path / "data"
    boiler = Equipment(id="B1", kind=Kind.BOILER, report_interval_s=300.0)
    with running_service(data, [boiler]) as service:
        series = ["--map", "value=flue_gas_temperature_c", "--kind", "boiler", "--equipment", "B1"]
        done = run_cli("replay", str(file), *series, "--speed", "0", "--data", str(data), "--json")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["rows"] == ROWS
        # The device also says that it is online.
        assert report["published"] == ROWS + 1
        assert report["failed"] == report["skipped_cells"] == 0
        assert eventually(lambda: service.counters().get("messages") == ROWS + 1, 30), (
            service.tail()
        )

        def newest() -> Any:
            latest = service.get("/api/v1/equipment/B1/latest").json()["channels"]
            return next(e["last_value"] for e in latest if e["name"] == "flue_gas_temperature_c")

        # Rows reach the store a moment after the counters.
        assert eventually(lambda: newest() == pytest.approx(values[-1])), newest()
        page = service.get(
            "/api/v1/equipment/B1/readings",
            start="2001-01-01T00:00:00Z",
            end="2099-01-01T00:00:00Z",
            limit=500,
        ).json()["items"]
        shown = [row["values"]["flue_gas_temperature_c"] for row in page]
        assert shown == pytest.approx(values[: len(shown)])
        assert len(shown) > 400
        # The recording keeps its own times, moved so that it ends now.
        times = [from_iso(row["at"]) for row in page]
        assert times[1] - times[0] == 300 * NS_PER_S
        age_ns = time.time_ns() - times[0]
        assert age_ns == pytest.approx(ROWS * 300 * NS_PER_S, rel=0.01)
        assert service.stop() == 0
    stored = stored_numbers(service.site)
    assert sum(stored.values()) == ROWS


def test_a_target_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    file.write_text("timestamp,value\n2024-01-01 00:00:00,1\n", encoding="utf-8")
    series = ["--map", "value=flue_gas_temperature_c", "--equipment", "B1"]
    done = run_cli("replay", str(file), *series, "--data", str(tmp_path))
    assert done.returncode == 2
    assert "--broker" in done.stderr


def test_a_refused_login_is_told(tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    file.write_text("timestamp,value\n2024-01-01 00:00:00,1\n", encoding="utf-8")
    passwords = ensure_passwords(tmp_path / "broker", usernames(FLEET, ()))
    write_passwords(tmp_path / "wrong.csv", {"B1": "wrong"})
    broker = start_broker(tmp_path / "broker", logins_for(FLEET, (), passwords))
    series = ["--map", "value=flue_gas_temperature_c", "--equipment", "B1"]
    target = ["--broker", broker.url, "--passwords", str(tmp_path / "wrong.csv")]
    try:
        done = run_cli("replay", str(file), *series, *target, "--json")
    finally:
        broker.stop()
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["refused_logins"] == ["B1"]


def test_a_broker_that_is_away_is_a_missing_dependency(tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    file.write_text("timestamp,value\n2024-01-01 00:00:00,1\n", encoding="utf-8")
    passwords = tmp_path / "passwords.csv"
    passwords.write_text("username,password\nB1,secret\n", encoding="utf-8")
    series = ["--map", "value=flue_gas_temperature_c", "--equipment", "B1"]
    target = ["--broker", "mqtt://127.0.0.1:9", "--passwords", str(passwords)]
    done = run_cli("replay", str(file), *series, *target, "--json")
    assert done.returncode == 3
    assert "127.0.0.1:9" in done.stderr
    assert done.stdout == ""
