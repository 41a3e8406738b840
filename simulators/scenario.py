"""Scenario files: which devices there are and what happens to them, as TOML.

The format is documented in ``docs/simulators.md``; `load` checks a file completely and reports
every error at once, because a scenario is written by people.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import cast

from domain.channels import CHANNELS, ChannelType
from domain.equipment import Kind
from domain.errors import UsageError
from simulators.catalog import INJECTIONS, SIMULATED, Injection, Parameter, Value
from simulators.checking import attempt, known_keys, nearest, number
from simulators.drawn import Drawn, Reports, Work, parse_drawn, parse_reports, parse_work

DEVICES_MAX = 20_000
"""Simulated devices in one world."""

ENTRIES_MAX = 10_000
"""Written entries of one scenario: people type them; drawn ones have a limit of their own."""

DURATION_S_MAX = 366 * 86_400.0
"""Longest scenario."""

SCENARIO_DIRECTORY = Path(__file__).parent / "scenarios"
"""Scenarios that come with the product; `load` takes their names as well as paths."""

PRIME_WITHIN_S = 60.0
"""Entries this close to the start find their equipment in a state from which they act at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSize:
    """How many devices of each kind a world has."""

    lifts: int = 0
    boilers: int = 0
    cranes: int = 0
    escalators: int = 0
    vessels: int = 0

    def of(self, kind: Kind) -> int:
        """Devices of one kind."""
        return int(getattr(self, f"{kind}s", 0))

    @property
    def total(self) -> int:
        """Devices of all kinds."""
        return sum(self.of(kind) for kind in SIMULATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One injection on one device.

    Parameters
    ----------
    start_s, duration_s
        Since the start of the world. A ride that must come first delays the danger itself; the
        truth file says when it began.
    parameters
        All parameters of the injection, defaults filled in.
    """

    what: str
    equipment_id: str
    start_s: float
    duration_s: float
    parameters: Mapping[str, Value] = field(default_factory=dict)

    @property
    def injection(self) -> Injection:
        """Catalogue entry of ``what``."""
        return INJECTIONS[self.what]

    @property
    def end_s(self) -> float:
        """Instant at which people end the trouble."""
        return self.start_s + self.duration_s

    def number(self, name: str) -> float:
        """Numeric parameter."""
        return float(self.parameters[name])

    def text(self, name: str) -> str:
        """Text parameter."""
        return str(self.parameters[name])

    def flag(self, name: str) -> bool:
        """Boolean parameter."""
        return bool(self.parameters[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A fleet and what happens to it within ``duration_s``.

    Parameters
    ----------
    entries
        What is written down.
    drawn
        What is drawn from the seed besides; ``None`` = nothing.
    """

    name: str
    duration_s: float
    fleet: FleetSize
    entries: tuple[Entry, ...] = ()
    drawn: Drawn | None = None
    reports: Reports = field(default_factory=Reports)
    work: Work = field(default_factory=Work)

    def entries_of(self, what: str) -> tuple[Entry, ...]:
        """Entries of one injection."""
        return tuple(entry for entry in self.entries if entry.what == what)


def device_id(kind: Kind, number: int) -> str:
    """Id of a simulated device, numbered from 1.

    >>> device_id(Kind.LIFT, 7)
    'lift-0007'
    """
    return f"{kind}-{number:04d}"


def device_slot(equipment_id: str, fleet: FleetSize) -> tuple[Kind, int]:
    """Kind and slot (from 0) of a device id of the fleet.

    Raises
    ------
    UsageError
        If the fleet has no such device.
    """
    word, _, digits = equipment_id.partition("-")
    if word in {str(kind) for kind in SIMULATED} and digits.isascii() and digits.isdigit():
        kind, slot = Kind(word), int(digits) - 1
        if 0 <= slot < fleet.of(kind) and device_id(kind, slot + 1) == equipment_id:
            return kind, slot
    ranges = ", ".join(
        f"{device_id(kind, 1)}..{device_id(kind, fleet.of(kind))}"
        for kind in sorted(SIMULATED)
        if fleet.of(kind)
    )
    raise UsageError(f'no device "{equipment_id}" in the fleet ({ranges or "it is empty"})')


def make_entry(
    what: str,
    equipment_id: str,
    *,
    start_s: float,
    duration_s: float,
    parameters: Mapping[str, object] | None = None,
) -> Entry:
    """Entry with checked parameters and defaults.

    Raises
    ------
    UsageError
        If the name, a time or a parameter is wrong.
    """
    injection = INJECTIONS.get(what)
    if injection is None:
        raise UsageError(f'unknown injection "{what}"{nearest(what, INJECTIONS)}')
    given = dict(parameters or {})
    for name in given:
        if name not in injection.parameters:
            hint = nearest(name, injection.parameters)
            raise UsageError(f'{what} has no parameter "{name}"{hint}')
    values = {
        name: _checked(f"{what}.{name}", parameter, given.get(name, parameter.default))
        for name, parameter in injection.parameters.items()
    }
    return Entry(
        what=what,
        equipment_id=equipment_id,
        start_s=number("start_s", start_s, 0.0, DURATION_S_MAX),
        duration_s=number("duration_s", duration_s, 0.0, DURATION_S_MAX),
        parameters=values,
    )


def load(source: str | Path) -> Scenario:
    """Scenario of a TOML file, or of a name under `SCENARIO_DIRECTORY`.

    Raises
    ------
    UsageError
        If it cannot be read or anything in it is wrong; the text lists every error.
    """
    path = Path(source)
    bundled = SCENARIO_DIRECTORY / f"{source}.toml"
    if not path.exists() and bundled.is_file():
        path = bundled
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        names = ", ".join(sorted(p.stem for p in SCENARIO_DIRECTORY.glob("*.toml")))
        raise UsageError(f"scenario {source} cannot be read: {error}; bundled: {names}") from error
    return parse(text, name=path.stem)


def parse(text: str, *, name: str = "scenario") -> Scenario:
    """Scenario of TOML text.

    Raises
    ------
    UsageError
        If anything in it is wrong; the text lists every error.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"scenario {name} is not TOML: {error}") from error
    errors: list[str] = []
    known_keys("the scenario", document, _KEYS, errors)
    fleet = _fleet(document.get("fleet"), errors)
    duration_s = attempt(
        lambda: number("duration_s", document.get("duration_s"), 1.0, DURATION_S_MAX), errors
    )
    entries = tuple(_entries(document.get("entry", []), fleet, errors))
    drawn = parse_drawn(document["drawn"], errors) if "drawn" in document else None
    reporting = parse_reports(document.get("reports", {}), errors)
    work = parse_work(document.get("work", {}), errors)
    if errors:
        raise UsageError(f"scenario {name}:\n" + "\n".join(f"- {error}" for error in errors))
    return Scenario(
        name=str(document.get("name", name)),
        duration_s=cast("float", duration_s),
        fleet=fleet,
        entries=entries,
        drawn=drawn,
        reports=reporting,
        work=work,
    )


_KEYS = {"name", "duration_s", "fleet", "reports", "work", "entry", "drawn"}
_FLEET_KEYS = tuple(size.name for size in fields(FleetSize))


def _fleet(table: object, errors: list[str]) -> FleetSize:
    if not isinstance(table, dict):
        errors.append(f"[fleet] with {', '.join(_FLEET_KEYS)} is missing")
        return FleetSize()
    known_keys("[fleet]", table, set(_FLEET_KEYS), errors)
    counts: dict[str, int] = {}
    for key in _FLEET_KEYS:
        value = table.get(key, 0)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= DEVICES_MAX:
            counts[key] = value
        else:
            errors.append(f"fleet.{key} is a whole number from 0 to {DEVICES_MAX}, not {value!r}")
    fleet = FleetSize(**counts)
    if not 0 < fleet.total <= DEVICES_MAX:
        errors.append(f"a fleet has 1 to {DEVICES_MAX} devices, not {fleet.total}")
    return fleet


def _entries(tables: object, fleet: FleetSize, errors: list[str]) -> Iterable[Entry]:
    if not isinstance(tables, list) or len(tables) > ENTRIES_MAX:
        errors.append(f"[[entry]] is a list of at most {ENTRIES_MAX} tables")
        return
    for place, table in enumerate(tables, start=1):
        found: list[str] = []
        entry = attempt(partial(_entry, table, fleet, found), found)
        errors.extend(f"entry {place}: {error}" for error in found)
        if entry is not None:
            yield entry


def _entry(table: object, fleet: FleetSize, errors: list[str]) -> Entry:
    if not isinstance(table, dict):
        raise UsageError("is no table")
    known_keys("it", table, {"what", "equipment", "start_s", "duration_s", "parameters"}, errors)
    parameters = table.get("parameters", {})
    if not isinstance(parameters, dict):
        raise UsageError("parameters is no table")
    entry = make_entry(
        str(table.get("what", "")),
        str(table.get("equipment", "")),
        start_s=table.get("start_s", 0.0),
        duration_s=table.get("duration_s", 60.0),
        parameters=parameters,
    )
    kind, _ = device_slot(entry.equipment_id, fleet)
    if kind not in entry.injection.kinds:
        kinds = ", ".join(sorted(entry.injection.kinds))
        raise UsageError(f"{entry.what} is for {kinds}, not for {entry.equipment_id}")
    channel = entry.parameters.get("channel", "")
    numeric = [one.name for one in CHANNELS[kind] if one.type is ChannelType.NUMBER]
    if channel and channel not in numeric:
        hint = nearest(str(channel), numeric)
        raise UsageError(f'{entry.what}: a {kind} measures no "{channel}"{hint}')
    return entry


def _checked(where: str, parameter: Parameter, value: object) -> Value:
    default = parameter.default
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise UsageError(f"{where} is true or false, not {value!r}")
        return value
    if isinstance(default, str):
        if not isinstance(value, str):
            raise UsageError(f"{where} is a text, not {value!r}")
        if parameter.choices and value not in parameter.choices:
            raise UsageError(f"{where} is one of {', '.join(parameter.choices)}, not {value!r}")
        return value
    return number(where, value, parameter.minimum, parameter.maximum)
