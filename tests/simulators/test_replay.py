"""Recordings become messages of a device; broken lines are named."""

import json
from pathlib import Path

import pytest

from domain.equipment import Kind
from domain.errors import UsageError
from domain.instants import NS_PER_S, from_iso
from simulators import replay
from simulators.replay import (
    Capture,
    ColumnMap,
    Shift,
    parse_map,
    read_series,
    series_messages,
)

MAP = ColumnMap(column="value", channel="flue_gas_temperature_c")
NOW_NS = from_iso("2026-03-05T08:30:00Z")


def series_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "series.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("value=load_kg", ("value", "load_kg", 1.0, 0.0)),
        ("v=load_kg*2", ("v", "load_kg", 2.0, 0.0)),
        ("v x=load_kg-3.5", ("v x", "load_kg", 1.0, -3.5)),
        ("v=load_kg*-1e-3+4", ("v", "load_kg", -0.001, 4.0)),
    ],
)
def test_mappings(text: str, expected: tuple[str, str, float, float]) -> None:
    mapped = parse_map(text)
    assert (mapped.column, mapped.channel, mapped.factor, mapped.offset) == expected


@pytest.mark.parametrize("text", ["", "value", "=x", "value=", "value=Load", "value=x*y", "v=x/2"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="COLUMN=CHANNEL"):
        parse_map(text)


def test_a_series_becomes_items_with_converted_values(tmp_path: Path) -> None:
    path = series_file(
        tmp_path, "timestamp,value\n2013-12-02 21:15:00,212\n2013-12-02 21:20:00,\n1386019500,32\n"
    )
    series = read_series(path, [parse_map("value=flue_gas_temperature_c*0.5-16")], Kind.BOILER)
    assert series.skipped_cells == 1
    sent = list(
        series_messages(series, kind=Kind.BOILER, equipment_id="b1", start_ns=NOW_NS, speed=10.0)
    )
    assert [o.topic for o in sent] == ["ew/v1/boiler/b1/alive"] + ["ew/v1/boiler/b1/telemetry"] * 2
    assert sent[0].retain
    assert not sent[1].retain
    bodies = [json.loads(o.payload) for o in sent]
    assert [b["seq"] for b in bodies] == [0, 1, 2]
    assert bodies[1]["v"] == {"flue_gas_temperature_c": 90.0}
    assert bodies[1]["ts"] == "2013-12-02T13:15:00.000Z"
    assert (
        sent[2].at_ns - sent[1].at_ns
        == (from_iso("2013-12-02T21:25:00Z") - from_iso("2013-12-02T13:15:00Z")) // 10
    )


@pytest.mark.parametrize(
    ("shift", "first", "last"),
    [
        (Shift.NONE, "2020-01-01T00:00:00.000Z", "2020-01-01T00:10:00.000Z"),
        (Shift.BEGIN, "2026-03-05T08:30:00.000Z", "2026-03-05T08:31:00.000Z"),
        (Shift.END, "2026-03-05T08:20:00.000Z", "2026-03-05T08:30:00.000Z"),
    ],
)
def test_times_can_be_moved_and_are_never_ahead(
    tmp_path: Path, shift: Shift, first: str, last: str
) -> None:
    path = series_file(
        tmp_path, "timestamp,value\n2020-01-01T00:00:00Z,1\n2020-01-01T00:10:00Z,2\n"
    )
    series = read_series(path, [MAP], Kind.BOILER)
    sent = list(
        series_messages(
            series, kind=Kind.BOILER, equipment_id="b1", start_ns=NOW_NS, speed=10.0, shift=shift
        )
    )
    stamps = [json.loads(o.payload)["ts"] for o in sent[1:]]
    assert stamps == [first, last]
    assert all(from_iso(stamp) <= o.at_ns for stamp, o in zip(stamps, sent[1:], strict=True))


def test_without_a_speed_everything_is_due_at_once(tmp_path: Path) -> None:
    path = series_file(tmp_path, "timestamp,value\n2020-01-01,1\n2021-01-01,2\n")
    series = read_series(path, [MAP], Kind.BOILER)
    sent = series_messages(series, kind=Kind.BOILER, equipment_id="b1", start_ns=NOW_NS, speed=None)
    assert {o.at_ns for o in sent} == {NOW_NS}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time,value\n2020-01-01,1\n", 'no column "timestamp"'),
        ("timestamp,temp\n2020-01-01,1\n", 'no column "value"'),
        ("timestamp,value\nyesterday,1\n", "line 2"),
        ("timestamp,value\n", "no rows"),
    ],
)
def test_a_wrong_series_is_named_wrong(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_series(series_file(tmp_path, text), [MAP], Kind.BOILER)


def test_a_channel_the_kind_lacks_is_refused_with_the_nearest(tmp_path: Path) -> None:
    path = series_file(tmp_path, "timestamp,value\n2020-01-01,1\n")
    near = ColumnMap(column="value", channel="steam_presure_mpa")
    with pytest.raises(UsageError, match="steam_pressure_mpa"):
        read_series(path, [near], Kind.BOILER)
    with pytest.raises(UsageError, match="cannot be read"):
        read_series(tmp_path / "none.csv", [MAP], Kind.BOILER)
    series = read_series(path, [MAP], Kind.BOILER)
    with pytest.raises(UsageError, match="equipment id"):
        next(series_messages(series, kind=Kind.BOILER, equipment_id="a/b", start_ns=0))


def test_a_series_ends_at_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = series_file(tmp_path, "timestamp,value\n2020-01-01,1\n2020-01-02,1\n2020-01-03,1\n")
    monkeypatch.setattr(replay, "ROWS_MAX", 2)
    with pytest.raises(UsageError, match="more than 2 rows"):
        read_series(path, [MAP], Kind.BOILER)


def test_good_lines_survive_between_bad_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "LINE_BYTES_MAX", 300)
    lines = [
        '{"t": 0, "topic": "a/b", "payload": "one", "retain": false}',
        "not json",
        '{"t": -1, "topic": "a", "payload": "x"}',
        '{"t": 1, "topic": "a/#", "payload": "x"}',
        '{"t": 1, "topic": "", "payload": "x"}',
        '{"t": 1, "topic": "a"}',
        '{"t": 1, "topic": "a", "payload_b64": "!"}',
        '{"t": "1", "topic": "a", "payload": "x"}',
        '{"t": 1, "topic": "a", "payload": "' + "x" * 400 + '"}',
        "",
        '{"t": 2.5, "topic": "a/b", "payload": {"ts": 1}, "retain": true, "more": 1}',
        '{"t": 2.25, "topic": "a/b", "payload_b64": "/w=="}',
    ]
    path = tmp_path / "c.jsonl"
    path.write_text("\n".join(lines) + "\n")
    capture = Capture(path)
    read = list(capture.messages(start_ns=NOW_NS, speed=2.0))
    assert [o.payload for o in read] == [b"one", b'{"ts":1}', b"\xff"]
    assert [o.retain for o in read] == [False, True, False]
    assert [o.at_ns - NOW_NS for o in read] == [0, 1.25 * NS_PER_S, 1.25 * NS_PER_S]
    assert capture.lines == len(lines)
    assert capture.bad == 8
    assert capture.disordered == 1
    assert [number for number, _ in capture.complaints] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert all(reason for _, reason in capture.complaints)


def test_a_capture_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        list(Capture(tmp_path / "none").messages(start_ns=0))
    with pytest.raises(UsageError, match="positive"):
        list(Capture(tmp_path / "none").messages(start_ns=0, speed=-1.0))
