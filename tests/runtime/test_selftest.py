"""The self-tests keep their promises in small, and would notice if they were broken."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from domain.errors import UsageError
from domain.incidents import IncidentKind
from runtime.selftest.common import Keys, account, kept, keys_of
from runtime.selftest.crash import CrashOptions, run_crash
from runtime.selftest.disk import DiskOptions, run_disk
from runtime.selftest.flood import FloodOptions, run_flood
from runtime.selftest.influx import influxd_program
from runtime.selftest.outage import OutageOptions, run_outage
from simulators.load import LoadPlan
from tests.support import brokers
from tests.support.service import run_cli

PLAN = LoadPlan(devices=20, items=2_000, rate_per_s=200, alarms=3, overloads=2)


def everything() -> Keys:
    return keys_of(*PLAN.identities(np.arange(PLAN.messages)))


def broken(stored: Keys, opened: Sequence[tuple[str, IncidentKind]]) -> list[str]:
    found = account(PLAN, everything(), stored, opened)
    return [promise for promise, is_kept in kept(found).items() if not is_kept]


def test_a_checker_that_sees_everything_is_content() -> None:
    found = account(PLAN, everything(), everything(), PLAN.expected())
    assert all(kept(found).values())
    assert (found.accepted, found.stored, found.incidents_expected) == (2_000, 2_000, 5)


def test_the_checker_notices_each_broken_promise() -> None:
    all_there, expected = everything(), list(PLAN.expected())
    elsewhere = (PLAN.equipment[9].id, IncidentKind.OVERLOAD)
    assert broken(np.delete(all_there, 700), expected) == ["nothing acknowledged is lost"]
    assert broken(np.append(all_there, all_there[5]), expected) == ["nothing is stored twice"]
    assert broken(all_there, expected[1:]) == ["no incident is missed"]
    assert broken(all_there, [*expected, expected[0]]) == ["no incident is raised twice"]
    assert broken(all_there, [*expected, elsewhere]) == ["no incident is made up"]


def test_the_checker_names_what_is_lost() -> None:
    all_there = everything()
    lost = all_there[700]
    report = account(PLAN, all_there, np.delete(all_there, 700), PLAN.expected()).report(PLAN)
    assert report["lost"] == 1
    assert report["lost_items"] == [f"{PLAN.equipment[lost >> 32].id}/{lost & 0xFFFF_FFFF}"]


def test_an_alarm_that_was_never_accepted_is_not_missed() -> None:
    device, seq = next(iter(PLAN.alarmed.items()))
    accepted = np.setdiff1d(everything(), np.array([device << 32 | seq]))
    found = account(PLAN, accepted, accepted, list(PLAN.expected()))
    assert (found.incidents_expected, found.incidents_missed) == (4, 0)


@pytest.mark.broker
@pytest.mark.timeout(120)
def test_what_a_killed_broker_loses_is_bounded_and_named(tmp_path: Path) -> None:
    kind = next(kind for kind in brokers.BROKERS if not brokers.missing(kind))
    options = CrashOptions(
        kills=0,
        broker_kills=1,
        messages=5_000,
        rate_per_s=1_000,
        devices=20,
        broker=kind,
        directory=tmp_path / "work",
    )
    report = run_crash(options, print)
    assert report["broker_kills"]["kills"] == 1
    assert report["broken"] == []


@pytest.mark.broker
@pytest.mark.timeout(120)
def test_a_flood_loses_nothing(tmp_path: Path) -> None:
    options = FloodOptions(
        seconds=3, factor=4, devices=200, gateways=10, directory=tmp_path / "work"
    )
    report = run_flood(options, print)
    assert [promise for promise in report["broken"] if "within" not in promise] == []
    assert report["stored_items"] == report["batches"] * 80 == 36_000
    assert report["incidents_expected"] > 10


@pytest.mark.broker
@pytest.mark.timeout(150)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_loses_nothing_and_is_left_without_a_hand() -> None:
    if reason := brokers.missing("mosquitto"):
        pytest.skip(reason)
    options = DiskOptions(
        size_mb=64, headroom_mb=6, full_s=6, rate_per_s=2_000, devices=40, broker="mosquitto"
    )
    report = run_disk(options, print)
    assert report["broken"] == []
    assert report["accepted_while_full_and_waiting"] > 0


def test_a_large_file_system_is_never_filled(tmp_path: Path) -> None:
    if os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize < 8 << 30:
        pytest.skip("this file system is small")
    with pytest.raises(UsageError, match="large file system"):
        run_disk(DiskOptions(directory=tmp_path / "work"), print)


@pytest.mark.broker
@pytest.mark.timeout(150)
@pytest.mark.skipif(influxd_program() is None, reason="influxd is not installed")
def test_detection_goes_on_without_the_telemetry_store(tmp_path: Path) -> None:
    options = OutageOptions(minutes=0.1, rate_per_s=1_000, devices=40, directory=tmp_path / "work")
    report = run_outage(options, print)
    assert report["broken"] == []
    assert report["incidents_opened_during_outage"] > 0


def test_an_outage_without_the_real_database_is_skipped_loudly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    done = run_cli("selftest", "outage", "--minutes", "0.2", "--json")
    assert done.returncode == 3
    assert "SKIPPED" in done.stderr
    assert done.stdout == ""
