"""``simulate`` and ``replay --offline`` as an outside evaluator uses them."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from domain.incidents import IncidentKind, case_of
from domain.instants import from_iso, seconds
from tests.support.service import run_cli

START = "2026-03-05T00:00:00Z"
SECONDS = 150
DECISION_NS = seconds(60)
"""Evidence younger than this at the end is not expected to be judged yet."""


@dataclass
class Recording:
    directory: Path
    report: dict[str, Any]

    @property
    def kept(self) -> str:
        """Data directory of the replay that is kept."""
        return str(self.directory / "kept")

    def replay(self, *more: str) -> "subprocess.CompletedProcess[str]":
        capture, registry = self.directory / "capture.jsonl", self.directory / "registry.csv"
        options = ["--registry", str(registry), "--start", START, "--offline", "--json"]
        return run_cli("replay", str(capture), *options, *more)

    def truths(self) -> list[dict[str, Any]]:
        lines = (self.directory / "truth.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    out = tmp_path_factory.mktemp("recording")
    options = ["--seconds", str(SECONDS), "--devices", "40", "--seed", "11", "--start", START]
    done = run_cli("simulate", "--out", str(out), *options, "--json")
    assert done.returncode == 0, done.stderr
    return Recording(out, json.loads(done.stdout))


@pytest.fixture(scope="module")
def replayed(recording: Recording) -> dict[str, Any]:
    done = recording.replay("--data", recording.kept)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_simulate_tells_what_it_wrote(recording: Recording) -> None:
    report = recording.report
    assert report["seed"] == 11
    assert report["devices"] == 40
    assert report["start"] == "2026-03-05T00:00:00.000Z"
    capture = (recording.directory / "capture.jsonl").read_text(encoding="utf-8").splitlines()
    assert report["messages"] == len(capture)
    assert json.loads(capture[0]).keys() == {"t", "topic", "payload", "retain"}
    faults = [truth for truth in recording.truths() if "kind" in truth]
    assert report["faults"] == len(faults) > 0


def test_the_report_has_the_promised_keys(replayed: dict[str, Any]) -> None:
    assert replayed["incidents"]
    for incident in replayed["incidents"]:
        assert {"equipment_id", "kind", "opened_at", "detected_at", "levels"} <= incident.keys()
        assert incident["levels"]
        assert all({"level", "at"} <= entry.keys() for entry in incident["levels"])
        end_ns = from_iso(START) + seconds(SECONDS + 1)
        assert from_iso(START) <= from_iso(incident["detected_at"]) <= end_ns
    assert replayed["messages_per_s"] > 0


def test_the_counts_add_up(recording: Recording, replayed: dict[str, Any]) -> None:
    counts = replayed["counts"]
    assert counts["journalled"] == counts["messages"] == recording.report["messages"]
    assert counts["decoded"] + counts["quarantined"] == counts["journalled"]
    parts = ("accepted", "duplicated", "refused_items", "alive")
    assert sum(counts[part] for part in parts) == counts["items"]
    assert counts["stored"] == counts["accepted"]
    assert counts["lost"] == 0


def test_every_true_incident_is_found_and_none_is_made_up(
    recording: Recording, replayed: dict[str, Any]
) -> None:
    truths = [truth for truth in recording.truths() if "statistic" not in truth]
    end_ns = from_iso(START) + seconds(SECONDS)
    found = {(i["equipment_id"], case_of(IncidentKind(i["kind"]))) for i in replayed["incidents"]}
    assert len(found) == len(replayed["incidents"]), "an incident was opened twice"
    expected = {
        (truth["equipment_id"], case_of(IncidentKind(truth["kind"])))
        for truth in truths
        if "kind" in truth
        and truth["evidence_sent"]
        and from_iso(truth["evidence_from"]) <= end_ns - DECISION_NS
    }
    explained = {
        (truth["equipment_id"], case_of(IncidentKind(kind)))
        for truth in truths
        for kind in [*truth["may_raise"], *([truth["kind"]] if "kind" in truth else [])]
    }
    assert len(expected) >= 5
    assert expected - found == set()
    assert found - explained == set()


def test_two_replays_give_the_same(recording: Recording, replayed: dict[str, Any]) -> None:
    again = json.loads(recording.replay().stdout)
    assert again["incidents"] == replayed["incidents"]
    assert again["counts"] == replayed["counts"]


def test_what_came_out_can_be_kept_but_not_mixed(
    recording: Recording, replayed: dict[str, Any]
) -> None:
    listed = run_cli("incident", "list", "--data", recording.kept, "--json")
    kept = {i["id"] for i in json.loads(listed.stdout)["incidents"]}
    assert kept == {i["id"] for i in replayed["incidents"]}
    second = recording.replay("--data", recording.kept)
    assert second.returncode == 2
    assert "holds a journal already" in second.stderr
    assert second.stdout == ""


def test_a_registry_and_a_start_are_needed(recording: Recording) -> None:
    capture = str(recording.directory / "capture.jsonl")
    registry = str(recording.directory / "registry.csv")
    for options in (["--start", START], ["--registry", registry]):
        done = run_cli("replay", capture, "--offline", *options)
        assert done.returncode == 2
        assert "--registry" in done.stderr
    done = run_cli("replay", capture, "--offline", "--registry", registry, "--start", "soon")
    assert done.returncode == 2
    assert "ISO 8601" in done.stderr


def test_bad_lines_and_unknown_devices_are_counted(tmp_path: Path) -> None:
    capture = tmp_path / "capture.jsonl"
    lines = [
        {"t": 0.1, "topic": "ew/v1/lift/nobody/status", "payload": '{"v":{"trips":1}}'},
        {"t": 0.2, "topic": "elsewhere", "payload": "x", "retain": False},
    ]
    text = [json.dumps(line) for line in lines]
    capture.write_text("\n".join([text[0], "not a line", text[1]]) + "\n", encoding="utf-8")
    moved = Recording(tmp_path, {})
    (tmp_path / "registry.csv").write_text("id,kind\nL1,lift\nL2,spaceship\n", encoding="utf-8")
    counts = json.loads(moved.replay().stdout)["counts"]
    assert counts["bad_lines"] == 1
    assert counts["journalled"] == counts["quarantined"] == 2
    assert counts["refused_registry_rows"] == 1
