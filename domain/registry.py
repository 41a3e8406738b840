"""Registry and firms as CSV text (contract.md, "Registry CSV"): text to values and back.

Whatever is wrong with a row is reported with its line and every reason; the other rows are read.
An unknown column refuses the whole file, because silently dropping a column loses data.
"""

import contextlib
import csv
import difflib
import io
import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from domain.codes import DIALECTS
from domain.equipment import ID_PATTERN, Equipment, Firm, IdentifierScheme, Kind
from domain.errors import UsageError

ROWS_LIMIT = 1_000_000
"""Most rows of one file."""

CELL_LIMIT = 1_000
"""Most characters of one cell."""

RAW_LIMIT = 200
"""Most characters of a refused row that its report repeats."""

FLOORS_MAX = 1_000

_SHOWN_MAX = 64

_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLASSIFICATION = re.compile(r"Q[1-4]/[UA][0-9]")
_IDENTIFIER_FORMS: Mapping[IdentifierScheme, tuple[re.Pattern[str], str]] = {
    IdentifierScheme.REGISTRATION_CODE: (re.compile(r"[0-9]{20}"), "20 digits"),
    IdentifierScheme.RESCUE_CODE: (re.compile(r"[0-9]{4,8}"), "4 to 8 digits"),
    IdentifierScheme.EQUIPMENT_CODE: (re.compile(r"[0-9A-Za-z]{17,18}"), "17 or 18 characters"),
}
"""Usual forms. Practice differs between districts, so another form is a warning, not a refusal."""

SECRET_COLUMNS = frozenset({"webhook_secret"})
"""Columns whose cells no report repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """One row that was not read.

    Parameters
    ----------
    line
        Line of the file on which the row begins; the header is line 1.
    id
        Its id cell as written, empty when it has none.
    reasons
        Everything that is wrong with it, each beginning with the column's name.
    raw
        The row as CSV, cut to `RAW_LIMIT` characters.
    """

    line: int
    id: str
    reasons: tuple[str, ...]
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowWarning:
    """Something unusual about a row that was read all the same."""

    line: int
    id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFile:
    """What a registry CSV holds, each in the order of the file."""

    rows: tuple[Equipment, ...]
    refused: tuple[RefusedRow, ...] = ()
    warnings: tuple[RowWarning, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmsFile:
    """What a firms CSV holds, each in the order of the file."""

    rows: tuple[Firm, ...]
    refused: tuple[RefusedRow, ...] = ()


def _text(cell: str) -> str:
    return cell


def _id(cell: str) -> str:
    if not ID_PATTERN.fullmatch(cell):
        raise ValueError("must be 1 to 64 of A-Z a-z 0-9 - _")
    return cell


def _optional_id(cell: str) -> str:
    return _id(cell) if cell else ""


def _kind(cell: str) -> Kind:
    if cell not in set(Kind):
        raise ValueError(f"is none of {', '.join(Kind)}")
    return Kind(cell)


def _finite(cell: str) -> float:
    try:
        # Python's own digit groups are not part of any CSV convention.
        value = float(cell.replace("_", "?"))
    except ValueError:
        raise ValueError("is not a number") from None
    if not math.isfinite(value):
        raise ValueError("is not a finite number")
    return value


def _number(low: float, high: float) -> Callable[[str], float | None]:
    def read(cell: str) -> float | None:
        if not cell:
            return None
        value = _finite(cell)
        if not low <= value <= high:
            raise ValueError(
                "must not be negative" if high == math.inf else f"must lie in {low:g} ... {high:g}"
            )
        return value

    return read


def _positive(cell: str) -> float | None:
    if not cell:
        return None
    value = _finite(cell)
    if value <= 0:
        raise ValueError("must be above 0")
    return value


def _floors(cell: str) -> int | None:
    if not cell:
        return None
    value = _finite(cell)
    if not (value.is_integer() and 1 <= value <= FLOORS_MAX):
        raise ValueError(f"is not a whole number in 1 ... {FLOORS_MAX}")
    return int(value)


def _date(cell: str) -> date | None:
    if not cell:
        return None
    # The standard library also takes week dates and dates without hyphens.
    if _ISO_DATE.fullmatch(cell):
        with contextlib.suppress(ValueError):
            return date.fromisoformat(cell)
    raise ValueError("is not an ISO date such as 2024-03-31")


def _flag(cell: str) -> bool:
    if cell.lower() not in {"true", "false"}:
        raise ValueError("is neither true nor false")
    return cell.lower() == "true"


def _optional_flag(cell: str) -> bool | None:
    return _flag(cell) if cell else None


def _flag_or_false(cell: str) -> bool:
    return _flag(cell) if cell else False


def _pairs(cell: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, (part.strip() for part in cell.split(";"))):
        left, colon, right = part.partition(":")
        if not colon:
            raise ValueError(f"has {part!r} without a colon")
        yield left.strip(), right.strip()


def _identifiers(cell: str) -> tuple[tuple[IdentifierScheme, str], ...]:
    found = []
    for scheme, value in _pairs(cell):
        if scheme not in set(IdentifierScheme):
            raise ValueError(f"has scheme {scheme!r}; known: {', '.join(IdentifierScheme)}")
        if not value:
            raise ValueError(f"has no value for {scheme}")
        found.append((IdentifierScheme(scheme), value))
    return tuple(found)


def _load_chart(cell: str) -> tuple[tuple[float, float], ...]:
    points = tuple((_finite(radius), _finite(capacity)) for radius, capacity in _pairs(cell))
    if any(radius < 0 or capacity < 0 for radius, capacity in points):
        raise ValueError("has a negative radius or capacity")
    radii = [radius for radius, _ in points]
    if any(after <= before for before, after in itertools.pairwise(radii)):
        raise ValueError("must have rising radii")
    return points


def _webhook_url(cell: str) -> str:
    if cell and not (urlsplit(cell).scheme in {"http", "https"} and urlsplit(cell).hostname):
        raise ValueError("is not an http or https address")
    return cell


_Reader = Callable[[str], object]
_not_negative = _number(0, math.inf)

_EQUIPMENT: Mapping[str, _Reader] = {
    "id": _id,
    "kind": _kind,
    "identifiers": _identifiers,
    "name_zh": _text,
    "name_en": _text,
    "area_path": _text,
    "address": _text,
    "latitude": _number(-90, 90),
    "longitude": _number(-180, 180),
    "place_class": _text,
    "user_unit": _text,
    "user_contact": _text,
    "maintenance_firm": _text,
    "installed_on": _date,
    "inspection_due_on": _date,
    "registered": _optional_flag,
    "gateway_id": _optional_id,
    "dialect": _text,
    "report_interval_s": _positive,
    "rated_speed_mps": _not_negative,
    "floors": _floors,
    "express_zone_m": _not_negative,
    "rated_pressure_mpa": _not_negative,
    "safety_valve_set_mpa": _not_negative,
    "rated_evaporation_tph": _not_negative,
    "rated_load_t": _not_negative,
    "load_chart": _load_chart,
    "classification": _text,
    "wind_limit_mps": _not_negative,
}

_FIRM: Mapping[str, _Reader] = {
    "id": _id,
    "name_zh": _text,
    "name_en": _text,
    "phone": _text,
    "webhook_url": _webhook_url,
    "webhook_secret": _text,
    "mqtt_notify": _flag_or_false,
}

REGISTRY_COLUMNS = tuple(_EQUIPMENT)
"""Columns of a registry CSV in the order of contract.md."""

FIRM_COLUMNS = tuple(_FIRM)
"""Columns of a firms CSV."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One row as read: ``values`` by column, or the reasons why there are none."""

    line: int
    cells: Mapping[str, str]
    values: Mapping[str, Any]
    reasons: tuple[str, ...] = ()


def parse_registry(text: str) -> RegistryFile:
    r"""Equipment of a registry CSV, in the order of the file.

    Parameters
    ----------
    text
        The decoded file; a byte order mark is tolerated. Cells are stripped of outer white space.

    Raises
    ------
    UsageError
        If the header is missing or has an unknown, repeated or missing column, or the file has more
        than `ROWS_LIMIT` rows.

    Examples
    --------
    >>> file = parse_registry("id,kind,rated_load_t\nL-1,lift,1\nL-2,lft,-3\n")
    >>> [equipment.id for equipment in file.rows]
    ['L-1']
    >>> file.refused[0].line, len(file.refused[0].reasons)
    (3, 2)
    """
    good, refused = _split(_read(text, _EQUIPMENT, required=("id", "kind")))
    rows = tuple(Equipment(**row.values) for row in good)
    warnings = tuple(
        RowWarning(line=row.line, id=equipment.id, text=warning)
        for row, equipment in zip(good, rows, strict=True)
        for warning in _warnings(equipment)
    )
    return RegistryFile(rows=rows, refused=refused, warnings=warnings)


def parse_firms(text: str) -> FirmsFile:
    """Maintenance firms of a CSV with the columns `FIRM_COLUMNS`; only ``id`` is required.

    An empty ``mqtt_notify`` means true. Secrets are never part of a report.

    Raises
    ------
    UsageError
        As `parse_registry`.
    """
    good, refused = _split(_read(text, _FIRM, required=("id",)))
    return FirmsFile(rows=tuple(Firm(**row.values) for row in good), refused=refused)


def format_registry(rows: Sequence[Equipment]) -> str:
    """CSV of equipment with all columns; `parse_registry` reads the same values back.

    Raises
    ------
    UsageError
        If an identifier holds a semicolon, which the format cannot express.
    """
    sheet = io.StringIO(newline="")
    # With line ends of RFC 4180 the writer quotes a lone carriage return too.
    writer = csv.writer(sheet, lineterminator="\r\n")
    writer.writerow(REGISTRY_COLUMNS)
    for row in rows:
        writer.writerow([_cell(getattr(row, column)) for column in REGISTRY_COLUMNS])
    return sheet.getvalue()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case tuple():
            return ";".join(f"{_part(left)}:{_part(right)}" for left, right in value)
        case _:
            return str(value)


def _part(value: object) -> str:
    if ";" in str(value):
        raise UsageError(f"The identifier {value!r} holds a semicolon: a registry CSV cannot")
    return str(value)


def _read(text: str, readers: Mapping[str, _Reader], required: Sequence[str]) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text.removeprefix(_BOM), newline=""), strict=True)
    header = _header(reader, readers, required)
    lines: dict[str, int] = {}
    for count, (line, cells) in enumerate(_lines(reader)):
        if count >= ROWS_LIMIT:
            raise UsageError(f"The file has more than {ROWS_LIMIT} rows: split it")
        row = _parsed(line, header, cells, readers)
        first = lines.setdefault(row.cells.get("id", ""), line)
        if first != line and row.cells.get("id"):
            row = replace(row, reasons=(*row.reasons, f"id stands on line {first} already"))
        yield row


def _header(reader: Any, readers: Mapping[str, _Reader], required: Sequence[str]) -> list[str]:  # noqa: ANN401  the csv module does not export its reader's type
    try:
        header = [cell.strip() for cell in next(reader, [])]
    except csv.Error as error:
        raise UsageError(f"The header row is not CSV: {error}") from error
    problems = [_unknown_column(name, readers) for name in header if name not in readers]
    problems += [f"column {name} stands twice" for name in readers if header.count(name) > 1]
    problems += [f"column {name} is missing" for name in required if name not in header]
    if problems:
        raise UsageError(f"The header row is wrong: {'; '.join(problems)}")
    return header


def _unknown_column(name: str, readers: Mapping[str, _Reader]) -> str:
    near = difflib.get_close_matches(name.lower(), readers, n=1)
    shown = name[:_SHOWN_MAX]
    return f"column {shown!r} is unknown" + (f", did you mean {near[0]}?" if near else "")


def _lines(reader: Any) -> Iterator[tuple[int, list[str] | str]]:  # noqa: ANN401  the csv module does not export its reader's type
    """Line and cells of each row that is not empty; text instead of cells says why it has none."""
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, f"row is not CSV: {error}"
            continue
        if any(cell.strip() for cell in cells):
            yield line, cells


def _parsed(
    line: int, header: Sequence[str], cells: Sequence[str] | str, readers: Mapping[str, _Reader]
) -> _Row:
    if isinstance(cells, str):
        return _Row(line=line, cells={}, values={}, reasons=(cells,))
    named = {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
    reasons = []
    if len(cells) < len(header) or any(cells[len(header) :]):
        reasons.append(f"row has {len(cells)} cells, the header has {len(header)}")
    values: dict[str, object] = {}
    for name, cell in named.items():
        try:
            _check_cell(cell)
            values[name] = readers[name](cell)
        except ValueError as error:
            reasons.append(f"{name} {error}{_shown(name, cell)}")
    return _Row(line=line, cells=named, values=values, reasons=tuple(reasons))


def _check_cell(cell: str) -> None:
    if len(cell) > CELL_LIMIT:
        raise ValueError(f"has {len(cell)} characters, at most {CELL_LIMIT} are read")
    if "\0" in cell:
        raise ValueError("holds a NUL character")


def _shown(name: str, cell: str) -> str:
    if not cell or name in SECRET_COLUMNS:
        return ""
    return f": {cell[:_SHOWN_MAX]!r}"


def _split(rows: Iterator[_Row]) -> tuple[list[_Row], tuple[RefusedRow, ...]]:
    good: list[_Row] = []
    refused: list[RefusedRow] = []
    for row in rows:
        if row.reasons:
            refused.append(_refused(row))
        else:
            good.append(row)
    return good, tuple(refused)


def _refused(row: _Row) -> RefusedRow:
    sheet = io.StringIO(newline="")
    shown = ["***" if n in SECRET_COLUMNS and c else c for n, c in row.cells.items()]
    csv.writer(sheet, lineterminator="").writerow(shown)
    return RefusedRow(
        line=row.line,
        id=row.cells.get("id", "")[:_SHOWN_MAX],
        reasons=row.reasons,
        raw=sheet.getvalue()[:RAW_LIMIT],
    )


def _warnings(equipment: Equipment) -> Iterator[str]:
    for scheme, value in equipment.identifiers:
        form, text = _IDENTIFIER_FORMS.get(scheme, (None, ""))
        if form is not None and not form.fullmatch(value):
            yield f"{scheme} {value!r} is unusual: expected {text}"
    if equipment.dialect and equipment.dialect not in DIALECTS:
        known = ", ".join(sorted(DIALECTS))
        yield f"dialect {equipment.dialect!r} is unknown ({known}): its codes are only stored"
    if equipment.classification and not _CLASSIFICATION.fullmatch(equipment.classification):
        yield f"classification {equipment.classification!r} is not of the form Q2/U5"
    if equipment.maintenance_firm and not ID_PATTERN.fullmatch(equipment.maintenance_firm):
        yield f"maintenance_firm {equipment.maintenance_firm!r} is no firm id: nobody is notified"
