"""Histories in Parquet: complete, in order, and the same bytes however they are made."""

import json
from pathlib import Path

import duckdb
import structlog
from typer.testing import CliRunner

from domain.registry import format_registry
from runtime.cli import app
from simulators.drawn import Drawn
from simulators.offline import write_history
from simulators.parts import ORDER, Part, parts
from simulators.scenario import FleetSize, Scenario
from simulators.world import World
from tests.support.simulated import START_NS

FLEET = FleetSize(lifts=4, boilers=2, cranes=2, escalators=1, vessels=1)
SCENARIO = Scenario(
    name="t",
    duration_s=120,
    fleet=FLEET,
    drawn=Drawn(nuisances=500.0, defaults=True),
)


def write(directory: Path, *, processes: int, seed: int = 3) -> Path:
    rows = World(SCENARIO, seed, START_NS).registry()
    write_history(
        SCENARIO,
        seed,
        START_NS,
        directory=directory,
        registry_csv=format_registry(rows),
        processes=processes,
    )
    return directory


def test_the_same_seed_gives_the_same_bytes_in_any_number_of_processes(tmp_path: Path) -> None:
    one, two = write(tmp_path / "a", processes=1), write(tmp_path / "b", processes=2)
    other = write(tmp_path / "c", processes=1, seed=4)
    names = ("messages.parquet", "truth.jsonl", "registry.csv", "world.json")
    assert sorted(path.name for path in one.iterdir()) == sorted(names)
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert (one / names[0]).read_bytes() != (other / names[0]).read_bytes()


def test_messages_are_complete_and_in_order(tmp_path: Path) -> None:
    directory = write(tmp_path / "a", processes=1)
    rows = duckdb.read_parquet(str(directory / "messages.parquet")).fetchall()
    sent = {
        (one.topic, one.payload.decode())
        for part in parts(FLEET)
        for one in World(SCENARIO, 3, START_NS, part=part).outgoing()
    }
    assert {(topic, payload) for _, topic, payload, _ in rows} == sent
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert not any(retain for _, topic, _, retain in rows if topic.endswith("/alive"))
    told = json.loads((directory / "world.json").read_text())
    truths = [json.loads(line) for line in (directory / "truth.jsonl").read_text().splitlines()]
    assert told["messages"] == len(rows)
    assert told["nuisances"] == sum("nuisance" in line for line in truths)
    assert sum("statistic" in line for line in truths) >= FLEET.cranes


def test_parts_hold_every_device_once() -> None:
    fleet = FleetSize(lifts=700, boilers=3, cranes=250, vessels=1)
    pieces = parts(fleet)
    for kind in ORDER:
        slots = [slot for piece in pieces for slot in piece.slots[kind]]
        assert slots == list(range(fleet.of(kind)))
    rows = World(SCENARIO, 3, START_NS).registry()
    assert sum((piece.of(rows, FLEET) for piece in parts(FLEET)), ()) == rows
    assert Part.whole(FLEET).of(rows, FLEET) == rows


def test_the_command_writes_a_history(tmp_path: Path) -> None:
    scenario = tmp_path / "mine.toml"
    scenario.write_text("duration_s = 30\n[fleet]\nlifts = 2\n[drawn]\nnuisances = 100\n")
    out = tmp_path / "out"
    words = ["simulate", "--offline", "--out", str(out), "--scenario", str(scenario)]
    try:
        result = CliRunner().invoke(app, [*words, "--seed", "1", "--processes", "1", "--json"])
    finally:
        # The command made its own stderr, closed by now, the place of all logs.
        structlog.reset_defaults()
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["messages"] == len(duckdb.read_parquet(str(out / "messages.parquet")).fetchall())
    assert told["device_days_per_s"] > 0
