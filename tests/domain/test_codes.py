"""Dialects: what a code means in each, and what becomes of it from the wire to the incident."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from detectors.bank import Bank
from domain.channels import CHANNELS, COLUMNS
from domain.codes import (
    CODES,
    DEFAULT_DIALECT,
    DIALECTS,
    RETURNS_TO_AUTOMATIC,
    TABLES,
    Code,
    CodeClass,
    code_text,
)
from domain.equipment import Equipment, Kind, build_fleet
from domain.findings import Finding, Phase
from domain.incidents import RESCUE, IncidentKind, Level, case_of
from domain.instants import from_iso, seconds
from domain.messages import Frame, Message
from ingest.decoder import Decoder
from storage.memory import MemoryStore

NOW = from_iso("2026-05-28T12:00:00Z")
DOCS = Path(__file__).parents[2] / "docs" / "formats.md"


def test_no_dialect_gives_a_code_twice() -> None:
    assert len(CODES) == sum(len(table.codes) for table in TABLES)
    assert len(DIALECTS) == len(TABLES)
    assert TABLES[0].name == DEFAULT_DIALECT


@pytest.mark.parametrize("key", CODES)
def test_a_code_is_well_formed(key: str) -> None:
    code = CODES[key]
    assert key == f"{code.dialect}:{code.code}"
    assert code.en
    assert re.search(r"[\u4e00-\u9fff]", code.zh)
    assert (code.kind is None) == (code.level is None)
    if code.kind is not None:
        suspected = case_of(code.kind) == RESCUE
        assert code.level is (Level.SUSPECTED if suspected else Level.ADVISORY)
    assert (code.cls is CodeClass.ALARM) == (code.kind is IncidentKind.ALARM_BUTTON)
    for effect in (code.sets, code.restores):
        kinds = [kind for kind in CHANNELS if effect and effect[0] in COLUMNS[kind]]
        assert kinds or effect is None


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_says_its_version_and_source(table: Any) -> None:
    assert table.version
    assert table.source
    assert {code.dialect for code in table.codes} == {table.name}


SAME_AS_NATIONAL = {
    "aggregation": ["01", "08", "40", "43", "61", "90"],
    "chongqing": ["00", "01", "08", "40", "41", "42", "43", "44", "45", "46", "47", "90"],
    "shanghai": ["04", "41", "90"],
    "yunanda": ["00", "01", "07"],
}


@pytest.mark.parametrize("dialect", SAME_AS_NATIONAL)
def test_a_local_list_repeats_the_national_meanings_with_their_effects(dialect: str) -> None:
    for number in SAME_AS_NATIONAL[dialect]:
        here, national = CODES[f"{dialect}:{number}"], CODES[f"{DEFAULT_DIALECT}:{number}"]
        for name in Code.__slots__:
            if name != "dialect":
                assert getattr(here, name) == getattr(national, name)


MEANT = {
    "chongqing:93": IncidentKind.ENTRAPMENT_AT_LEVEL,
    "chongqing:91": IncidentKind.OVER_TRAVEL,
    "chongqing:92": IncidentKind.OVER_TRAVEL,
    "aggregation:11": IncidentKind.ENTRAPMENT_AT_LEVEL,
    "aggregation:09": IncidentKind.OVER_TRAVEL,
    "shanghai:09": IncidentKind.ENTRAPMENT_AT_LEVEL,
    "yunanda:08": IncidentKind.MOVED_WITH_DOOR_OPEN,
    "yunanda:15": IncidentKind.ALARM_BUTTON,
    "yunanda:11": IncidentKind.LIFT_FAULT,
    "shmashine:08": IncidentKind.ENTRAPMENT_OFF_LEVEL,
    "shmashine:30": IncidentKind.ESCALATOR_FAULT,
    "shmashine:21": IncidentKind.ALARM_BUTTON,
    "property:0101": IncidentKind.ENTRAPMENT_AT_LEVEL,
    "telecom:F9994": IncidentKind.ENTRAPMENT_OFF_LEVEL,
    "telecom:F9993": IncidentKind.ALARM_BUTTON,
    "bacnet-lift:08": IncidentKind.LIFT_FAULT,
    "bacnet-escalator:08": IncidentKind.ESCALATOR_FAULT,
}


@pytest.mark.parametrize("key", MEANT)
def test_the_same_number_means_what_its_dialect_says(key: str) -> None:
    assert CODES[key].kind is MEANT[key]


def test_a_return_to_automatic_is_known_in_every_dialect_that_has_the_states() -> None:
    with_states = {code.dialect for code in CODES.values() if code.code == "43" and code.sets}
    assert {key.split(":")[0] for key in RETURNS_TO_AUTOMATIC} == with_states


def test_a_number_is_read_as_two_digits() -> None:
    assert [code_text(raw) for raw in (0, 4, 93, 101, "0101", "F9999")] == [
        "00",
        "04",
        "93",
        "101",
        "0101",
        "F9999",
    ]


def test_the_formats_page_lists_every_code() -> None:
    page = DOCS.read_text(encoding="utf-8")
    for table in TABLES:
        assert f"### `{table.name}`" in page
        section = page.split(f"### `{table.name}`", 1)[1].split("\n### ", 1)[0]
        assert f"version {table.version}" in section
        assert table.source.rstrip(".") in section
        assert section.count("\n| `") == len(table.codes)
        for code in table.codes:
            assert documented(code) in section


def documented(code: Code) -> str:
    """Row of a code in docs/formats.md."""
    effect = f"{code.kind}, {code.level}" if code.kind else ""
    if code.sets:
        effect = f"`{code.sets[0]}` {code.sets[1]}"
    if code.cls is CodeClass.NONE:
        effect = "ends every active fault"
    if code.returns_to_automatic:
        effect += ", `mains_power` 1"
    return f"| `{code.code}` | {code.en} | {code.zh} | {code.cls} | {effect} |"


# From the wire to the finding.

FLEET = build_fleet(
    1,
    [
        Equipment(id="C1", kind=Kind.LIFT, dialect="chongqing"),
        Equipment(id="N1", kind=Kind.LIFT, dialect="somewhere"),
    ],
)


class Line:
    """A decoder with a store and the detectors behind it."""

    def __init__(self) -> None:
        self.decoder, self.bank, self.store = Decoder(FLEET), Bank(FLEET), MemoryStore()
        self.position = 0

    def send(self, equipment_id: str, stream: str = "event", **item: Any) -> list[Finding]:
        self.position += 1
        at_ns = NOW + seconds(self.position)
        body = json.dumps({"ts": at_ns // 1_000_000, **item}).encode()
        message = Message(f"ew/v1/lift/{equipment_id}/{stream}", body, at_ns)
        decoded = self.decoder.decode([Frame(self.position, at_ns, (message,))])
        assert decoded.counts.accepted == 1
        self.store.append(decoded.batches, self.position)
        return [found for batch in decoded.batches for found in self.bank.step(batch)]

    def codes(self, equipment_id: str) -> list[str | None]:
        samples = self.store.history(
            Kind.LIFT, equipment_id, start_ns=NOW, end_ns=NOW + seconds(60)
        )
        return [sample.code for sample in samples]


def said(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(finding.kind, finding.level, finding.phase) for finding in findings]


def test_a_terminals_entrapment_code_is_a_suspicion_until_it_ends() -> None:
    line = Line()
    began = line.send("C1", code="93")
    assert said(began) == [("entrapment_at_level", "suspected", "raised")]
    assert began[0].evidence[0].name == "chongqing:93"
    ended = line.send("C1", code=93, active=False)
    assert said(ended) == [("entrapment_at_level", "suspected", "ended")]
    assert ended[0].reason


@pytest.mark.parametrize("end", [{"code": "91", "active": False}, {"code": "00"}])
def test_a_local_fault_ends_by_itself_or_by_no_fault(end: dict[str, Any]) -> None:
    line = Line()
    assert said(line.send("C1", "fault", code="91")) == [("over_travel", "advisory", "raised")]
    assert line.send("C1", "fault", code="91") == []
    (finding,) = line.send("C1", "fault", **end)
    assert (finding.kind, finding.phase) == (IncidentKind.OVER_TRAVEL, Phase.ENDED)


def test_a_local_alarm_button_is_an_alarm() -> None:
    line = Line()
    found = line.send("C1", code="15", dialect="yunanda")
    assert said(found) == [("alarm_button", "suspected", "raised")]


def test_an_event_of_a_local_list_sets_its_channel() -> None:
    line = Line()
    line.send("C1", "status", v={"service_mode": 1, "mains_power": True})
    line.send("C1", code="43")
    line.send("C1", code="41")
    latest = line.store.latest(Kind.LIFT, "C1")
    assert (latest["service_mode"].value, latest["mains_power"].value) == (2, False)
    line.send("C1", code="40")
    assert line.store.latest(Kind.LIFT, "C1")["service_mode"].value == 1


@pytest.mark.parametrize(
    ("dialect", "key"), [(None, "somewhere:93"), ("chongqing", "chongqing:77")]
)
def test_an_unknown_code_is_stored_under_its_dialect_and_feeds_no_rule(
    dialect: str | None, key: str
) -> None:
    line = Line()
    item = {"code": key.split(":")[1]} | ({"dialect": dialect} if dialect else {})
    assert line.send("N1", **item) == []
    assert line.codes("N1") == [key]
