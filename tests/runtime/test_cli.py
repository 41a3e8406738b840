"""The command line as scripts see it: exit codes, one JSON object on stdout, the rest on stderr."""

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from dispatch import desk
from domain.accounts import Role
from domain.equipment import Equipment, Kind
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S
from domain.ledger import HOUR_NS, LedgerChanges, LedgerRow, Missing, SeqRange, hour_start
from domain.refusals import Refusal, RefusalReason
from domain.shadow import Tally, Totals
from runtime import cli
from runtime.settings import CONFIG_FILE, sample
from runtime.wiring import using_state
from tests.support.service import run_cli

AT_NS = 1_772_668_800 * NS_PER_S
REGISTRY = "id,kind,gateway_id,rated_load_t\nL1,lift,,\nC1,crane,G1,10\nX1,spaceship,,-3\n"


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The one object on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        assert isinstance(found, dict)
        return found


Run = Callable[..., Done]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data directory that every command of the test uses."""
    directory = tmp_path / "data"
    monkeypatch.setenv("EQUIPWATCH_DATA", str(directory))
    return directory


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["equipwatch", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return Done(int(ended.value.code or 0), captured.out, captured.err)

    yield run
    # The commands made the test's stderr the place of all logs.
    structlog.reset_defaults()


@pytest.fixture
def registered(data: Path, run: Run, tmp_path: Path) -> Path:
    (tmp_path / "registry.csv").write_text("id,kind,gateway_id\nL1,lift,\nC1,crane,G1\n")
    assert run("registry", "import", str(tmp_path / "registry.csv")).code == 0
    return data


def test_an_import_reports_refused_rows_and_uses_the_others(
    data: Path, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "registry.csv"
    file.write_text(REGISTRY, encoding="utf-8")
    done = run("registry", "import", str(file), "--json")
    assert done.code == cli.EXIT_CHECK
    assert done.report["imported"] == 2
    (refused,) = done.report["refused"]
    assert (refused["line"], refused["id"]) == (4, "X1")
    assert "kind" in refused["reasons"]
    assert "rated_load_t" in refused["reasons"]
    exported = run("registry", "export")
    assert exported.code == 0
    rows = list(csv.DictReader(exported.out.splitlines()))
    assert {(row["id"], row["kind"]) for row in rows} == {("L1", "lift"), ("C1", "crane")}
    assert (data / "state.sqlite").is_file()


def test_an_unknown_column_or_file_is_a_usage_error(data: Path, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "registry.csv"
    file.write_text("id,kind,colour\nL1,lift,red\n", encoding="utf-8")
    done = run("registry", "import", str(file), "--json")
    assert (done.code, done.out) == (cli.EXIT_USAGE, "")
    assert "colour" in done.err
    assert run("registry", "import", str(tmp_path / "none.csv")).code == cli.EXIT_USAGE
    assert not (data / "state.sqlite").exists()


def test_firms_are_imported_without_repeating_their_secrets(
    data: Path, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "firms.csv"
    file.write_text(
        "id,name_en,webhook_url,webhook_secret\n"
        "acme,Acme,https://acme.example/hook,very-secret\n"
        "bad,Bad,ftp://bad.example,very-secret\n",
        encoding="utf-8",
    )
    done = run("registry", "firms", str(file), "--json")
    assert done.code == cli.EXIT_CHECK
    assert done.report["imported"] == 1
    assert "webhook_url" in done.report["refused"][0]["reasons"]
    assert "very-secret" not in done.out + done.err
    with using_state(data) as state, state.reading() as tx:
        assert [firm.webhook_secret for firm in tx.registry.firms()] == ["very-secret"]


def test_broker_init_writes_every_login_once(registered: Path, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "passwords.csv"
    first = run("broker", "init", "--passwords", str(out), "--port", "1999", "--json")
    assert first.code == 0
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    passwords = {row["username"]: row["password"] for row in rows}
    assert rows[0].keys() == {"username", "password"}
    assert {"L1", "C1", "G1"} <= passwords.keys()
    assert first.report["logins"] == len(passwords) == len(set(passwords.values()))
    assert out.stat().st_mode & 0o077 == 0
    config = Path(first.report["config"])
    assert "listener 1999 127.0.0.1" in config.read_text(encoding="utf-8")
    before = {path: path.read_bytes() for path in config.parent.iterdir() if path.is_file()}
    assert run("broker", "init", "--passwords", str(out), "--port", "1999").code == 0
    assert {path: path.read_bytes() for path in before} == before
    acl = (config.parent / "acl").read_text(encoding="utf-8")
    assert "user L1\ntopic write ew/v1/lift/L1/+" in acl
    assert all(word not in acl for word in passwords.values())
    assert registered in config.parents


def test_a_new_device_gets_a_login_and_the_others_keep_theirs(
    registered: Path, run: Run, tmp_path: Path
) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    run("broker", "init", "--passwords", str(old))
    with using_state(registered) as state, state.writing() as tx:
        tx.registry.put([Equipment(id="L2", kind=Kind.LIFT)])
    run("broker", "init", "--passwords", str(new))
    before = set(old.read_text(encoding="utf-8").splitlines())
    (added,) = set(new.read_text(encoding="utf-8").splitlines()) - before
    assert added.startswith("L2,")


def test_an_api_key_is_shown_once_and_kept_as_a_digest(data: Path, run: Run) -> None:
    done = run("account", "key", "grafana", "--role", "engineer", "--json")
    secret = done.report["key"]
    with using_state(data) as state, state.reading() as tx:
        key = tx.accounts.key_by_digest(hashlib.sha256(secret.encode()).hexdigest())
    assert key is not None
    assert (key.name, key.role) == ("grafana", Role.ENGINEER)
    assert all(secret.encode() not in path.read_bytes() for path in data.glob("state.sqlite*"))


def test_a_user_gets_a_password_and_a_firm_account_its_firm(data: Path, run: Run) -> None:
    done = run("account", "user", "li", "--role", "operator", "--json")
    assert len(done.report["password"]) >= 12
    again = run("account", "user", "li", "--role", "operator", "--json")
    assert again.report["password"] != done.report["password"]
    for options in (["--role", "firm"], ["--role", "operator", "--firm", "acme"]):
        refused = run("account", "user", "wang", *options)
        assert refused.code == cli.EXIT_USAGE
        assert "--firm" in refused.err
    unknown = run("account", "key", "app", "--role", "firm", "--firm", "nobody")
    assert unknown.code == cli.EXIT_USAGE
    assert "nobody" in unknown.err
    assert run("account", "user", "wang", "--role", "king").code == cli.EXIT_USAGE
    with using_state(data) as state, state.reading() as tx:
        assert tx.accounts.user("wang") is None


def test_incidents_are_listed_shown_and_acknowledged(registered: Path, run: Run) -> None:
    with using_state(registered) as state, state.writing() as tx:
        incident = desk.open_by_hand(tx, "L1", "user:li", AT_NS, "a caller in the lift")
    listed = run("incident", "list", "--open", "--json").report["incidents"]
    assert [entry["id"] for entry in listed] == [incident.id]
    shown = run("incident", "show", incident.id, "--json").report
    assert shown["equipment_id"] == "L1"
    assert shown["history"][0]["actor"] == "user:li"
    assert any("a caller in the lift" in entry["note"] for entry in shown["history"])
    taken = run("incident", "acknowledge", incident.id, "--actor", "chen", "--json")
    assert (taken.code, taken.report["acknowledged_by"]) == (0, "user:chen")
    table = run("incident", "list")
    assert "L1" in table.out
    missing = run("incident", "show", "nothing")
    assert missing.code == cli.EXIT_FAILED
    assert "nothing" in missing.err


def test_quarantine_shows_reason_and_original_bytes(registered: Path, run: Run) -> None:
    refusal = Refusal(
        reason=RefusalReason.NOT_UTF8,
        position=1,
        index=0,
        item=-1,
        topic="ew/v1/lift/L1/status",
        sender="L1",
        payload=b"\xff{",
        received_at_ns=AT_NS,
        detail="byte 0 is not UTF-8",
    )
    with using_state(registered) as state, state.writing() as tx:
        tx.quarantine.add([refusal])
    (entry,) = run("quarantine", "list", "--sender", "L1", "--json").report["quarantine"]
    assert (entry["reason"], entry["count"]) == ("not_utf8", 1)
    assert run("quarantine", "list", "--sender", "L2", "--json").report["quarantine"] == []
    (original,) = run("quarantine", "show", str(entry["id"]), "--json").report["originals"]
    assert original["payload"] == "\\xff{"


def test_settings_are_shown_with_masked_secrets_and_a_sample(data: Path, run: Run) -> None:
    data.mkdir()
    (data / CONFIG_FILE).write_text("[telemetry]\ntoken = 'very-secret'\n", encoding="utf-8")
    done = run("config", "show", "--json")
    assert done.report["telemetry"]["token"] == "*" * 10
    assert "very-secret" not in done.out
    assert run("config", "sample").out == sample()
    (data / CONFIG_FILE).write_text("[telemetry]\ntokn = 'x'\n", encoding="utf-8")
    wrong = run("config", "show")
    assert wrong.code == cli.EXIT_USAGE
    assert "did you mean token?" in wrong.err


def test_a_start_that_is_no_time_is_named(run: Run, tmp_path: Path) -> None:
    done = run("simulate", "--out", str(tmp_path), "--start", "yesterday")
    assert (done.code, done.out) == (2, "")
    assert "--start 'yesterday' is not an ISO 8601 time" in done.err


def test_a_candidate_is_started_promoted_shown_and_reverted(data: Path, run: Run) -> None:
    data.mkdir()
    (data / CONFIG_FILE).write_text("[detectors.entrapment]\nalarm = 5.0\n", encoding="utf-8")
    assert run("config", "show", "--json").report["promoted"] == {}
    assert not list(data.glob("state*"))
    setting = ("--set", "entrapment.off_level_hold_s=20", "--detector", "crane_overload")
    started = run("shadow", "start", "tight", *setting, "--reason", "too slow", "--json")
    parameters = {"crane_overload": {}, "entrapment": {"off_level_hold_s": 20.0}}
    assert started.report["parameters"] == parameters
    assert "unknown" in run("shadow", "list").out
    wrong = run("shadow", "start", "w", "--set", "entrapment.hold=2", "--reason", "x")
    assert (wrong.code, "entrapment.hold: unknown" in wrong.err) == (cli.EXIT_USAGE, True)
    assert run("shadow", "promote", "tight", "--reason", " ").code == cli.EXIT_USAGE
    assert run("shadow", "revert", "tight", "--reason", "none").code == cli.EXIT_FAILED
    assert "has not run yet" in run("shadow", "promote", "tight", "--reason", "better").err
    tally = Tally(equipment_kind=Kind.LIFT, kind=IncidentKind.ENTRAPMENT_OFF_LEVEL, added=2)
    with using_state(data) as state, state.writing() as tx:
        tx.shadow.put_totals("tight", Totals(device_ns={}, tallies=(tally,)))
    assert run("shadow", "promote", "tight", "--reason", "better").code == 0
    shown = run("config", "show", "--json").report
    assert shown["promoted"] == {"tight": parameters}
    assert shown["detectors"]["entrapment"] == {"alarm": 5.0, "off_level_hold_s": 20.0}
    assert run("shadow", "revert", "tight", "--reason", "worse").code == 0
    acts = run("shadow", "show", "tight", "--json").report["acts"]
    assert [(act["act"], act["reason"]) for act in acts] == [
        ("reverted", "worse"),
        ("promoted", "better"),
        ("started", "too slow"),
    ]
    assert "worse" in run("shadow", "show", "tight").out
    assert run("config", "show", "--json").report["promoted"] == {}


def test_doctor_says_what_is_wrong(
    registered: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy = run("doctor", "--json")
    assert healthy.code == 0, healthy.out
    checks = {check["check"]: check for check in healthy.report["checks"]}
    assert all(check["ok"] for check in checks.values())
    assert checks["state store"]["detail"].startswith("2 devices")
    assert str(registered) in checks["data directory"]["detail"]
    monkeypatch.setenv("EQUIPWATCH_BROKER__URL", "mqtt://127.0.0.1:9")
    monkeypatch.setenv("EQUIPWATCH_TELEMETRY__STORE", "influxdb")
    monkeypatch.setenv("EQUIPWATCH_TELEMETRY__URL", "http://127.0.0.1:9")
    ill = run("doctor", "--json")
    assert ill.code == cli.EXIT_CHECK
    broken = {check["check"] for check in ill.report["checks"] if not check["ok"]}
    assert broken == {"broker", "telemetry store"}


def test_a_database_that_is_away_is_a_missing_dependency(
    data: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EQUIPWATCH_STATE__URL", "postgresql+psycopg://x:secret@127.0.0.1:9/x")
    done = run("incident", "list", "--json")
    assert (done.code, done.out) == (cli.EXIT_DEPENDENCY, "")
    assert "secret" not in done.err
    assert data.exists()


def test_ingest_shares_no_process(data: Path, run: Run) -> None:
    done = run("serve", "--role", "ingest", "--role", "api")
    assert done.code == cli.EXIT_USAGE
    assert "process of its own" in done.err
    assert not (data / "journal").exists()


def test_the_committed_dashboards_are_those_of_the_code(run: Run) -> None:
    done = run("dashboards", "build", "--check", "--json")
    assert (done.code, done.report["outdated"]) == (0, [])


def test_usage_errors_of_the_shell_end_with_2(run: Run) -> None:
    for arguments in (["nonsense"], ["incident", "list", "--limit", "0"], ["demo", "--nope"]):
        done = run(*arguments)
        assert (done.code, done.out) == (cli.EXIT_USAGE, "")
        assert done.err


def keep_ledger(data: Path) -> None:
    """Two hours of L1, the first of which misses numbers 7 to 9, and a crane without a fault."""
    start_ns = hour_start(AT_NS)
    lost = Missing(count=3, ranges=(SeqRange("b1", 7, 9),))
    rows = [
        LedgerRow(equipment_id="L1", hour_start_ns=start_ns, received=60, missing=lost),
        LedgerRow(equipment_id="L1", hour_start_ns=start_ns + HOUR_NS, received=61, refused=2),
        LedgerRow(equipment_id="C1", hour_start_ns=start_ns, received=9),
    ]
    with using_state(data) as state, state.writing() as tx:
        tx.ledger.put(LedgerChanges(rows=rows))


def test_the_ledger_names_what_is_missing_of_any_device_and_hour(
    registered: Path, run: Run
) -> None:
    keep_ledger(registered)
    (hour,) = run("ledger", "L1", "--hour", "2026-03-05T08:10", "--json").report["hours"]
    assert hour["hour"] == "2026-03-05T00:00:00.000Z"
    assert hour["figures"]["missing"]["ranges"] == [{"boot": "b1", "first": 7, "last": 9}]
    window = ("--hour", "2026-03-05T02:00Z", "--hours", "3")
    told = run("ledger", "L1", *window).out
    assert re.search(r"│ b1 +│ 7 +│ 9 +│", told)
    assert "unknown" in told
    known = [one["known"] for one in run("ledger", "L1", *window, "--json").report["hours"]]
    assert known == [True, True, False]
    listed = run("ledger", *window, "--json").report["devices"]
    assert [one["equipment_id"] for one in listed] == ["L1", "C1"]
    assert (listed[0]["missing"], listed[0]["refused"], listed[0]["received"]) == (3, 2, 121)


@pytest.mark.usefixtures("registered")
def test_the_ledger_of_nobody_and_of_no_time_are_refused(run: Run) -> None:
    assert run("ledger", "L7").code == cli.EXIT_FAILED
    assert run("ledger", "L1", "--hour", "noon").code == cli.EXIT_USAGE


def test_help_comes_quickly_and_loads_nothing_heavy() -> None:
    before = os.times()
    done = run_cli("--help")
    after = os.times()
    assert done.returncode == 0
    for command in ("demo", "serve", "replay", "registry", "incident", "quarantine", "broker"):
        assert command in done.stdout
    # Processor time, because the machine may be busy; 300 ms is aimed at.
    before_s = before.children_user + before.children_system
    assert after.children_user + after.children_system - before_s < 1.5
    code = "import sys, runtime.cli; print(*sys.modules)"
    listed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    heavy = {"alembic", "duckdb", "fastapi", "paho", "sqlalchemy", "structlog", "uvicorn"}
    assert heavy & set(listed.stdout.split()) == set()
