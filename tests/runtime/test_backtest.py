"""``equipwatch backtest`` as people and pipelines use it."""

import json
from pathlib import Path
from typing import Any

import pytest

from domain.equipment import Equipment, Kind
from domain.errors import UsageError
from runtime.backtest.backtest import Options, run_backtest
from runtime.backtest.shards import split
from runtime.backtest.streams import densities_of
from simulators.catalog import INJECTIONS
from simulators.scenario import parse
from tests.support.service import run_cli

SCENARIO = """
duration_s = 240
[fleet]
lifts = 4
[[entry]]
what = "entrapment_off_level"
equipment = "lift-0001"
start_s = 5
duration_s = 200
[[entry]]
what = "alarm_button"
equipment = "lift-0002"
start_s = 20
[[entry]]
what = "cleaner_holding_door"
equipment = "lift-0003"
start_s = 15
duration_s = 120
"""

DEAF = """
[detectors.entrapment]
suspected_log_odds = 30
confirmed_log_odds = 30
"""

BUDGET = """
[detectors.entrapment]
recall_min = 0.99
ttd_p95_s_max = 45

[detectors.entrapment.confirmed]
recall_min = 0.99
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("backtest")
    for name, text in {"small": SCENARIO, "deaf": DEAF, "budget": BUDGET}.items():
        (directory / f"{name}.toml").write_text(text, encoding="utf-8")
    return directory


@pytest.fixture(scope="module")
def report(place: Path) -> dict[str, Any]:
    """Simulated, scored and kept in two processes."""
    done = run_cli(
        *("backtest", "--scenario", str(place / "small.toml"), "--seed", "5", "--json"),
        *("--history", str(place / "kept"), "--workers", "2"),
        *("--budget", str(place / "budget.toml")),
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_report_has_the_promised_keys(report: dict[str, Any]) -> None:
    assert {"detectors", "device_years", "device_days_per_s"} <= report.keys()
    for one in report["detectors"].values():
        assert {"truth", "detected", "false", "precision", "recall"} <= one.keys()
        assert one["ttd_s"].keys() == {"p50", "p95"}
        assert isinstance(one["false_per_device_year"], float)
    assert report["device_years"] == pytest.approx(4 * 240 / 86_400 / 365.25, abs=1e-6)
    assert report["origin"]["seed"] == 5
    assert report["exceeded"] == []


def test_truths_are_found_and_nuisances_are_not(report: dict[str, Any]) -> None:
    entrapment = report["detectors"]["entrapment"]
    assert (entrapment["truth"], entrapment["detected"], entrapment["false"]) == (1, 1, 0)
    assert 25 < entrapment["ttd_s"]["p50"] < 45
    assert entrapment["levels"]["confirmed"]["detected"] == 1
    assert entrapment["kinds"]["entrapment_off_level"]["detected"] == 1
    assert report["detectors"]["codes"]["kinds"]["alarm_button"]["recall"] == 1.0
    assert report["incidents"]["false"] == 0


def test_what_was_kept_is_compared_and_shown(report: dict[str, Any], place: Path) -> None:
    page = place / "page.html"
    done = run_cli(
        *("backtest", "--history", str(place / "kept"), "--compare", str(place / "deaf.toml")),
        *("--report", str(page), "--workers", "1", "--json"),
    )
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    same = {name: one["detected"] for name, one in again["detectors"].items()}
    assert same == {name: one["detected"] for name, one in report["detectors"].items()}
    changed = again["compare"]["entrapment"]
    assert changed["lost_count"] == {"true": 1, "explained": 0, "false": 0}
    assert changed["second"]["recall"] == 0.0
    text = page.read_text(encoding="utf-8")
    assert "lost, true: entrapment, lift-0001" in text
    assert text.count("Plotly.newPlot(") >= 3
    assert ' src="' not in text
    assert "<link" not in text


def test_a_broken_budget_is_told_by_exit_4(report: dict[str, Any], place: Path) -> None:
    assert report
    done = run_cli(
        *("backtest", "--history", str(place / "kept"), "--settings", str(place / "deaf.toml")),
        *("--budget", str(place / "budget.toml"), "--workers", "1", "--json"),
    )
    assert done.returncode == 4, done.stderr
    broken = json.loads(done.stdout)["exceeded"]
    assert {(one["of"], one["limit"]) for one in broken} == {
        ("entrapment", "recall_min"),
        ("entrapment", "ttd_p95_s_max"),
        ("entrapment.confirmed", "recall_min"),
    }
    assert all(one["measured"] in {0.0, None} for one in broken)


@pytest.mark.parametrize(
    ("files", "options", "words"),
    [
        ({}, {}, "--scenario"),
        ({}, {"history": "."}, "capture.jsonl"),
        ({"capture.jsonl": ""}, {"history": "."}, "registry.csv"),
        (
            {"registry.csv": "id,kind\nL1,lift\n", "capture.jsonl": ""},
            {"history": "."},
            "--start",
        ),
        ({"o.toml": "[detectors.entrapmnt]\nx = 1\n"}, {"settings": "o.toml"}, "entrapment"),
        ({"o.toml": "[detectors.codes]\nx = 'y'\n"}, {"compare": "o.toml"}, "number"),
        ({"b.toml": "[detectors.codes]\nrecal_min = 1\n"}, {"budget": "b.toml"}, "recall_min"),
    ],
)
def test_wrong_use_is_told_in_words(
    tmp_path: Path, files: dict[str, str], options: dict[str, str], words: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    named: dict[str, Any] = {key: tmp_path / name for key, name in options.items()}
    scenario = None if "history" in options or not options else str(tmp_path / "tiny.toml")
    (tmp_path / "tiny.toml").write_text("duration_s = 1\n[fleet]\nlifts = 1\n")
    with pytest.raises(UsageError, match=words):
        run_backtest(Options(scenario=scenario, **named), print)


def test_a_wrong_scenario_is_exit_2() -> None:
    done = run_cli("backtest", "--scenario", "nowhere", "--json")
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert done.stdout == ""


def test_a_capture_becomes_columns_first(place: Path, tmp_path: Path) -> None:
    start = "2026-03-02T00:00:00Z"
    made = run_cli(
        *("simulate", "--out", str(tmp_path), "--scenario", str(place / "small.toml")),
        *("--seed", "5", "--start", start),
    )
    assert made.returncode == 0, made.stderr
    found = run_backtest(Options(history=tmp_path, start=start), print)
    entrapment = found["detectors"]["entrapment"]
    assert (entrapment["truth"], entrapment["detected"], entrapment["false"]) == (1, 1, 0)
    assert found["start"] == "2026-03-02T00:00:00.000Z"
    assert found["devices"] == 4
    assert not (tmp_path / "columns.json").exists()


def test_densities_are_rates_over_natural_ones() -> None:
    text = """
    duration_s = 60
    [fleet]
    lifts = 1
    [drawn]
    nuisances = 20
    [drawn.per_year]
    inspection = 48
    """
    found = densities_of(parse(text))
    assert found["cleaner_holding_door"] == 20.0
    assert found["inspection"] == 20 * 48 / INJECTIONS["inspection"].rate_per_year
    assert "entrapment_off_level" not in found, "as often as in nature"
    assert "gusts" not in found, "no crane"
    assert densities_of(parse("duration_s = 60\n[fleet]\nlifts = 1\n")) == {}


def test_recordings_of_the_benchmark_are_scored_beside_null_and_random(tmp_path: Path) -> None:
    rows = [
        f"2014-04-01 {n // 60:02d}:{n % 60:02d}:00,{n % 7 + 50 * (n == 300)}" for n in range(400)
    ]
    (tmp_path / "one.csv").write_text("\n".join(["timestamp,value", *rows]) + "\n")
    windows = {"one.csv": [["2014-04-01 04:50:00", "2014-04-01 05:10:00"]]}
    (tmp_path / "windows.json").write_text(json.dumps(windows))
    found = run_backtest(Options(nab=tmp_path), print)["nab"]
    assert {"null", "random, as many", "always on, every hour"} <= found.keys()
    assert found["null"]["nab"]["standard"] == 0.0
    assert found["null"]["recall"] == 0.0


def test_devices_that_share_an_area_or_a_gateway_stay_together() -> None:
    rows = [
        Equipment(id="A", kind=Kind.LIFT, area_path="x"),
        Equipment(id="B", kind=Kind.LIFT, gateway_id="g"),
        Equipment(id="C", kind=Kind.LIFT),
        Equipment(id="D", kind=Kind.LIFT, area_path="x", gateway_id="g"),
        Equipment(id="E", kind=Kind.LIFT, area_path="y"),
    ]
    shards = [[one.id for one in shard] for shard in split(rows, 2)]
    assert shards == [["A", "B", "D"], ["C", "E"]]
    assert [one.id for shard in split(rows, 1) for one in shard] == list("ABCDE")
