"""Captures are the same bytes for the same seed, and read back as what was written."""

import json
from pathlib import Path

from domain.instants import NS_PER_S
from simulators.capture import capture_line, write_capture
from simulators.demo import demo_scenario
from simulators.outgoing import Outgoing
from simulators.replay import Capture
from simulators.world import World
from tests.support.simulated import START_NS


def write(directory: Path, seed: int) -> tuple[bytes, bytes]:
    directory.mkdir()
    capture, truth = directory / "c.jsonl", directory / "t.jsonl"
    report = write_capture(
        World(demo_scenario(seed, devices=40), seed, START_NS),
        capture=capture,
        truth=truth,
        registry=directory / "r.csv",
        registry_csv="id,kind\r\nlift-0001,lift\r\n",
        duration_s=90.0,
    )
    assert report.messages == len(capture.read_text().splitlines())
    assert report.devices == 40
    assert report.faults == 6
    assert (directory / "r.csv").read_bytes() == b"id,kind\r\nlift-0001,lift\r\n"
    return capture.read_bytes(), truth.read_bytes()


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    assert write(tmp_path / "a", 1) == write(tmp_path / "b", 1)
    assert write(tmp_path / "c", 2) != write(tmp_path / "d", 1)


def test_truth_lines_say_what_where_from_and_to(tmp_path: Path) -> None:
    _, truth = write(tmp_path / "a", 1)
    lines = [json.loads(line) for line in truth.splitlines()]
    faults = [line for line in lines if "kind" in line]
    nuisances = [line for line in lines if "nuisance" in line]
    assert len(faults) == 6
    statistics = [line for line in lines if "statistic" in line]
    assert len(faults) + len(nuisances) + len(statistics) == len(lines)
    for line in faults:
        assert line["evidence_sent"] is True
        assert line["from"] <= line["evidence_from"]
        assert set(line) >= {"kind", "equipment_id", "from", "to", "cause", "may_raise"}


def test_a_capture_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    simulated = World(demo_scenario(1, devices=40), 1, START_NS)
    sent = list(World(demo_scenario(1, devices=40), 1, START_NS).outgoing(60.0))
    write_capture(simulated, capture=path, duration_s=60.0)
    reader = Capture(path)
    read = list(reader.messages(start_ns=START_NS))
    assert [(o.topic, o.payload) for o in read] == [(o.topic, o.payload) for o in sent]
    assert all(abs(a.at_ns - b.at_ns) < 2_000 for a, b in zip(read, sent, strict=True))
    assert (reader.bad, reader.disordered) == (0, 0)


def test_a_live_alive_is_not_marked_retained_but_an_old_message_is() -> None:
    alive = Outgoing(START_NS, "ew/v1/lift/lift-0001/alive", b"{}", retain=True)
    old = Outgoing(START_NS + NS_PER_S, "ew/v1/lift/lift-0001/status", b"{}", retain=True)
    assert json.loads(capture_line(alive, START_NS))["retain"] is False
    assert json.loads(capture_line(old, START_NS)) == {
        "t": 1.0,
        "topic": "ew/v1/lift/lift-0001/status",
        "payload": "{}",
        "retain": True,
    }


def test_bytes_that_are_no_text_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    outgoing = Outgoing(START_NS, "ew/v1/lift/lift-0001/status", b"\xff\x00")
    path.write_text(capture_line(outgoing, START_NS) + "\n")
    assert [o.payload for o in Capture(path).messages(start_ns=0)] == [b"\xff\x00"]
