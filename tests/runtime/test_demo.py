"""The demo on the real service, with the account that it gives at the end."""

import json
from pathlib import Path

import pytest

from tests.support.service import run_cli


@pytest.mark.broker
@pytest.mark.timeout(240)
def test_a_short_demo_accounts_for_everything(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    options = ["--seconds", "75", "--devices", "40", "--data", str(data), "--json"]
    done = run_cli("demo", *options, timeout_s=220)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["published"] == report["journalled"] > 500
    assert report["decoded"] + report["quarantined"] == report["journalled"]
    assert report["stored"] + report["alive"] + report["repeats_dropped"] == report["items"]
    zero = ("unpublished", "lost", "duplicated", "missed", "spurious")
    assert {name: report[name] for name in zero} == dict.fromkeys(zero, 0)
    truths = {incident["truth"] for incident in report["incidents"]}
    assert {"entrapment_off_level", "overpressure", "overload", "alarm_button"} <= truths
    assert report["findings"] >= len(report["incidents"])
    assert f"seed {report['seed']}" in done.stderr
    assert "login     admin / " in done.stderr
    assert report["data"] == str(data)
    again = run_cli("demo", *options)
    assert again.returncode == 2
    assert "holds an installation already" in again.stderr
