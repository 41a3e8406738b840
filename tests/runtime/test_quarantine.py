"""Refused messages are judged anew from the journal, dropped by hand, and never lost silently."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from domain.equipment import Equipment, Kind
from domain.errors import NotFoundError, UsageError
from domain.instants import NS_PER_S, seconds, to_iso
from domain.messages import Message
from ingest.journal import JournalReader, JournalWriter
from runtime.cli import app
from runtime.pipeline import Pipeline
from runtime.site import Site
from runtime.wiring import using_state
from storage.memory import MemoryStore
from storage.state.quarantine import ORIGINALS_LIMIT

START_NS = 1_772_668_800 * NS_PER_S
LIFT = Equipment(id="L1", kind=Kind.LIFT)
GATEWAY_LIFT = Equipment(id="L2", kind=Kind.LIFT)
SENT = 100

Run = Callable[..., Any]


def item(second: int, **said: Any) -> dict[str, Any]:
    return {"ts": to_iso(START_NS + second * NS_PER_S), "seq": second, "boot": "b", **said}


def stuck(second: int) -> dict[str, Any]:
    """A passenger between floors from second 10 on."""
    moving = 5 <= second < 10
    values = {"service_mode": 1, "car_status": int(moving), "door_zone": second < 5}
    return item(second, v={**values, "door_closed": True, "passenger_present": True})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A site that refused a lift nobody had registered, one gateway item and some rubbish."""
    site = Site(tmp_path / "data")
    site.create()
    with closing(JournalWriter(site.journal, durable=False)) as writer:
        for second in range(SENT):
            at_ns = START_NS + seconds(second + 0.2)
            batch = [
                {"kind": "lift", "id": name, "stream": "status", **item(second, v={"trips": 1})}
                for name in ("L1", "L2")
            ]
            sent = [
                ("ew/v1/lift/L9/status", json.dumps(stuck(second)).encode()),
                ("ew/v1/gateway/G1/batch", json.dumps(batch).encode()),
            ]
            if second % 10 == 0:
                sent.append(("ew/v1/lift/L1/event", b"not json"))
            writer.append([Message(topic, body, at_ns) for topic, body in sent], at_ns)
    with using_state(site.root) as state:
        with state.writing() as tx:
            tx.registry.put([LIFT, GATEWAY_LIFT])
        with closing(JournalReader(site.journal)) as reader:
            pipeline = Pipeline(reader=reader, telemetry=MemoryStore(), state=state)
            while pipeline.step():
                pass
            pipeline.flush()
    return site.root


@pytest.fixture
def run(data: Path) -> Run:
    def call(*arguments: str) -> Any:
        words = ["quarantine", *arguments, "--data", str(data), "--json"]
        try:
            made = CliRunner().invoke(app, words, catch_exceptions=False)
        finally:
            # The command made its own stderr, closed by now, the place of all logs.
            structlog.reset_defaults()
        assert made.exit_code == 0, made.output
        return json.loads(made.stdout)

    return call


def entry(run: Run, sender: str, reason: str) -> str:
    [found] = run("list", "--sender", sender, "--reason", reason)["quarantine"]
    return str(found["id"])


def register(data: Path, *equipment: Equipment) -> None:
    with using_state(data) as state, state.writing() as tx:
        tx.registry.put(equipment)


def test_nothing_changes_as_long_as_the_reason_stands(run: Run) -> None:
    report = run("replay", entry(run, "L9", "unknown_equipment"))
    assert report["examined"] == report["refused"] == SENT > ORIGINALS_LIMIT
    assert report["refused_because"] == {"unknown_equipment": SENT}
    assert report["findings"] == []
    assert report["messages"][0]["now"] == "unknown_equipment"


def test_a_lift_registered_too_late_shows_what_would_have_been(run: Run, data: Path) -> None:
    number = entry(run, "L9", "unknown_equipment")
    register(data, Equipment(id="L9", kind=Kind.LIFT))
    report = run("replay", number, "--show", "1")
    assert (report["examined"], report["decoded"], report["rows"]) == (SENT, SENT, SENT)
    assert report["counted_only"] == report["not_in_journal"] == 0
    [first] = report["messages"]
    assert first["received_at"] == to_iso(START_NS + seconds(0.2))
    assert first["rows"][0]["values"]["passenger_present"] is True
    raised = [(f["kind"], f["level"]) for f in report["findings"] if f["phase"] == "raised"]
    assert ("entrapment_off_level", "suspected") in raised
    assert report["findings"][0]["onset"] == to_iso(START_NS + seconds(10))


def test_replaying_changes_nothing(run: Run, data: Path) -> None:
    number = entry(run, "L9", "unknown_equipment")
    register(data, Equipment(id="L9", kind=Kind.LIFT))
    first, before = run("replay", number), run("list")
    assert run("replay", number) == first
    assert run("list") == before
    with using_state(data) as state, state.reading() as tx:
        assert tx.incidents.count_findings() == 0


def test_of_a_batch_only_the_refused_item_is_judged(run: Run, data: Path) -> None:
    number = entry(run, "G1", "foreign_id")
    register(data, Equipment(id="L2", kind=Kind.LIFT, gateway_id="G1"))
    report = run("replay", number, "--show", "10000")
    assert report["examined"] == 2 * SENT
    assert (report["decoded"], report["refused"]) == (SENT, SENT)
    assert {m["rows"][0]["equipment"] for m in report["messages"] if m["rows"]} == {"L2"}


def test_a_time_and_an_export(run: Run, data: Path, tmp_path: Path) -> None:
    number = entry(run, "L9", "unknown_equipment")
    register(data, Equipment(id="L9", kind=Kind.LIFT))
    begin, end = (to_iso(START_NS + seconds(s)) for s in (20, 30))
    capture = tmp_path / "again.jsonl"
    report = run("replay", number, "--from", begin, "--to", end, "--export", str(capture))
    assert report["examined"] == 10
    lines = [json.loads(line) for line in capture.read_text(encoding="utf-8").splitlines()]
    assert [line["t"] for line in lines] == list(range(10))
    assert json.loads(lines[0]["payload"]) == stuck(20)
    with pytest.raises(UsageError, match="ISO 8601"):
        run("replay", number, "--from", "yesterday")


def test_originals_serve_when_the_journal_is_gone(run: Run, data: Path) -> None:
    number = entry(run, "L9", "unknown_equipment")
    for file in Site(data).journal.glob("*.journal*"):
        file.unlink()
    report = run("replay", number)
    assert report["examined"] == ORIGINALS_LIMIT
    assert report["not_in_journal"] == SENT - ORIGINALS_LIMIT


def test_a_drop_needs_a_yes_and_leaves_a_line(run: Run, data: Path) -> None:
    number = entry(run, "L1", "not_json")
    with pytest.raises(UsageError, match="--yes"):
        run("drop", number)
    dropped = run("drop", number, "--yes", "--note", "a test terminal")["dropped"]
    assert (dropped["count"], dropped["note"]) == (10, "a test terminal")
    assert run("list", "--dropped")["dropped"] == [dropped]
    assert run("list", "--sender", "L1")["quarantine"] == []
    with pytest.raises(NotFoundError):
        run("show", number)
    with using_state(data) as state, closing(JournalReader(Site(data).journal)) as reader:
        # The journal read anew brings nothing back, and no refusal is forgotten in the sum.
        pipeline = Pipeline(reader=reader, telemetry=MemoryStore(), state=state)
        while pipeline.step():
            pass
        pipeline.flush()
        with state.reading() as tx:
            assert tx.quarantine.count() == SENT + 2 * SENT + 10
            assert not tx.quarantine.find(sender="L1")
