"""Scenario files: complete checking with clear words, and the bundled ones."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from domain.equipment import Kind
from domain.errors import UsageError
from simulators.catalog import INJECTIONS, SIMULATED
from simulators.scenario import (
    SCENARIO_DIRECTORY,
    FleetSize,
    Scenario,
    device_slot,
    load,
    make_entry,
    parse,
)
from simulators.world import World
from tests.support.simulated import START_NS

BUNDLED = sorted(path.stem for path in SCENARIO_DIRECTORY.glob("*.toml"))
DOCS = Path(__file__).parents[2] / "docs" / "simulators.md"


def test_a_file_becomes_a_scenario_with_defaults_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        """
        duration_s = 60
        [fleet]
        lifts = 2
        [[entry]]
        what = "entrapment_off_level"
        equipment = "lift-0002"
        start_s = 5
        [entry.parameters]
        people = 3
        """
    )
    scenario = load(path)
    assert scenario.name == "mine"
    assert scenario.fleet == FleetSize(lifts=2)
    (entry,) = scenario.entries
    assert (entry.equipment_id, entry.start_s, entry.duration_s) == ("lift-0002", 5.0, 60.0)
    assert entry.number("people") == 3.0
    assert entry.text("code") == "04"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("duration_s =", "is not TOML"),
        ("duration_s = 60", "[fleet]"),
        ("[fleet]\nlifts = 1", "duration_s is a number"),
        ("duration_s = 60\n[fleet]\nlift = 1", 'did you mean "lifts"'),
        ("duration_s = 60\n[fleet]\nlifts = -1", "whole number"),
        ("duration_s = 60\n[fleet]\nlifts = 20001", "20000"),
        ("duration_s = 60\n[fleet]\nlifts = 0", "1 to 20000 devices"),
        ("duration_s = 60\nentries = 1\n[fleet]\nlifts = 1", 'did you mean "entry"'),
        ("duration_s = 60\nentry = 1\n[fleet]\nlifts = 1", "list"),
    ],
)
def test_a_wrong_file_is_named_wrong(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        parse(text)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('what = "entrapment_of_level"', 'did you mean "entrapment_off_level"'),
        ('what = "overload"\nequipment = "lift-0001"', "overload is for crane"),
        ('what = "overload"\nequipment = "crane-0002"', "crane-0001..crane-0001"),
        ('what = "overload"\nequipment = "crane-1"', 'no device "crane-1"'),
        ('what = "overload"\nequipment = "crane-0001"\nstart_s = -1', "start_s is a number"),
        ('what = "overload"\nequipment = "crane-0001"\nbegin = 1', 'no key "begin"'),
        (
            'what = "overload"\nequipment = "crane-0001"\nparameters = {factor = 9}',
            "from 1.1 to 2",
        ),
        (
            'what = "overload"\nequipment = "crane-0001"\nparameters = {faktor = 1.2}',
            'did you mean "factor"',
        ),
        (
            'what = "sensor_stuck"\nequipment = "lift-0001"\nparameters = {channel = "load"}',
            'a lift measures no "load", did you mean "load_kg"',
        ),
        (
            'what = "clock_wrong"\nequipment = "crane-0001"\nparameters = {epoch = 1}',
            "true or false",
        ),
        (
            'what = "entrapment_at_level"\nequipment = "lift-0001"\nparameters = {mode = "x"}',
            "door_fails, no_start",
        ),
        (
            'what = "lift_fault"\nequipment = "lift-0001"\nparameters = {code = 5}',
            "is a text",
        ),
    ],
)
def test_a_wrong_entry_is_named_by_number(entry: str, words: str) -> None:
    text = f"duration_s = 60\n[fleet]\nlifts = 1\ncranes = 1\n[[entry]]\n{entry}\n"
    with pytest.raises(UsageError, match=re.escape(words)) as caught:
        parse(text)
    assert "entry 1: " in str(caught.value)


def test_all_errors_of_a_file_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        parse('duration_s = 0\n[fleet]\nlifts = 1\n[[entry]]\nwhat = "x"\n[[entry]]\nwhat = "y"\n')
    assert str(caught.value).count("\n- ") == 3


def test_a_missing_file_names_the_bundled_ones() -> None:
    with pytest.raises(UsageError, match=r"city-week, .*entrapment"):
        load("nowhere")


def test_device_ids_are_exact() -> None:
    fleet = FleetSize(lifts=12_000, boilers=1)
    assert device_slot("lift-12000", fleet) == (Kind.LIFT, 11_999)
    for wrong in (
        "lift-0000",
        "lift-00001",
        "crane-0001",
        "lift",
        "lift-\u0660\u0660\u0660\u0661",
        "",
    ):
        with pytest.raises(UsageError):
            device_slot(wrong, fleet)


@pytest.mark.parametrize("name", [name for name in BUNDLED if load(name).drawn is None])
def test_everything_in_a_bundled_scenario_happens(name: str) -> None:
    simulated = World(load(name), 1, START_NS)
    for _ in simulated.outgoing():
        pass
    for truth in simulated.truth():
        assert truth.from_ns is not None, truth.cause
        assert truth.kind is None or truth.evidence_from_ns is not None, truth.cause


@pytest.mark.parametrize("name", [name for name in BUNDLED if load(name).drawn is not None])
def test_a_bundled_drawn_scenario_runs(name: str) -> None:
    scenario = load(name)
    few = FleetSize(**{f"{kind}s": min(scenario.fleet.of(kind), 2) for kind in SIMULATED})
    simulated = World(replace(scenario, fleet=few), 1, START_NS)
    assert simulated.scenario.entries
    assert sum(1 for _ in simulated.outgoing(60.0)) >= 2 * few.total


def test_the_bundled_week_draws_every_injection_of_its_kinds() -> None:
    drawn = load("city-week").drawn
    assert drawn is not None
    assert all(drawn.rate_per_year(injection) > 0 for injection in INJECTIONS.values())


def test_the_guide_names_every_injection_and_parameter() -> None:
    guide = DOCS.read_text(encoding="utf-8")
    for injection in INJECTIONS.values():
        (row,) = [line for line in guide.splitlines() if line.startswith(f"| `{injection.name}`")]
        for parameter, spec in injection.parameters.items():
            default = str(spec.default).lower() if isinstance(spec.default, bool) else spec.default
            shown = f"{default:g}" if isinstance(default, float) else default
            assert f"`{parameter}` = {shown}" in row, (injection.name, parameter)


def test_an_entry_that_cannot_begin_has_no_beginning() -> None:
    entry = make_entry("entrapment_off_level", "lift-0001", start_s=5, duration_s=1)
    scenario = Scenario(name="t", duration_s=60, fleet=FleetSize(lifts=1), entries=(entry,))
    simulated = World(scenario, 1, START_NS)
    list(simulated.outgoing())
    (truth,) = simulated.truth()
    assert truth.from_ns is None
    assert truth.evidence_from_ns is None
