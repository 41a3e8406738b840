"""Registry and firms CSV: what is read, what is refused and why, and the way back."""

from dataclasses import fields
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import registry
from domain.equipment import Equipment, Firm, IdentifierScheme, Kind
from domain.errors import UsageError
from domain.registry import (
    CELL_LIMIT,
    FIRM_COLUMNS,
    REGISTRY_COLUMNS,
    RegistryFile,
    format_registry,
    parse_firms,
    parse_registry,
)

ID = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30).map(str.strip)
POSITIVE = st.none() | st.floats(0, 1e6)
POINT = st.floats(0, 1e4)
VALUE = TEXT.map(lambda text: text.replace(";", "").strip()).filter(bool)


def charts() -> st.SearchStrategy[tuple[tuple[float, float], ...]]:
    points = st.lists(st.tuples(POINT, POINT), max_size=4, unique_by=lambda point: point[0])
    return points.map(lambda chart: tuple(sorted(chart)))


EQUIPMENT = st.builds(
    Equipment,
    id=ID,
    kind=st.sampled_from(Kind),
    identifiers=st.lists(st.tuples(st.sampled_from(IdentifierScheme), VALUE), max_size=3).map(
        tuple
    ),
    name_zh=TEXT,
    name_en=TEXT,
    area_path=TEXT,
    address=TEXT,
    latitude=st.none() | st.floats(-90, 90),
    longitude=st.none() | st.floats(-180, 180),
    place_class=TEXT,
    user_unit=TEXT,
    user_contact=TEXT,
    maintenance_firm=TEXT,
    installed_on=st.none() | st.dates(date(1900, 1, 1)),
    inspection_due_on=st.none() | st.dates(date(1900, 1, 1)),
    registered=st.none() | st.booleans(),
    gateway_id=st.just("") | ID,
    dialect=st.sampled_from(["", "gbt24476"]),
    report_interval_s=st.none() | st.floats(0.1, 1e6),
    rated_speed_mps=POSITIVE,
    floors=st.none() | st.integers(1, 200),
    express_zone_m=POSITIVE,
    rated_pressure_mpa=POSITIVE,
    safety_valve_set_mpa=POSITIVE,
    rated_evaporation_tph=POSITIVE,
    rated_load_t=POSITIVE,
    load_chart=charts(),
    classification=TEXT,
    wind_limit_mps=POSITIVE,
)


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(EQUIPMENT, max_size=4, unique_by=lambda row: row.id))
def test_what_is_written_is_read_back(rows: list[Equipment]) -> None:
    file = parse_registry(format_registry(rows))
    assert file.refused == ()
    assert list(file.rows) == rows


@settings(deadline=None, max_examples=100)
@given(text=st.text() | st.text("id,kind\n\r\"';:\0lift1"))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_registry, parse_firms):
        try:
            file = parse(f"id,kind\n{text}" if parse is parse_registry else f"id,phone\n{text}")
        except UsageError:
            continue
        assert all(row.reasons for row in file.refused)


def test_every_column_is_a_field_in_its_order() -> None:
    assert tuple(field.name for field in fields(Equipment)) == REGISTRY_COLUMNS
    assert tuple(field.name for field in fields(Firm)) == FIRM_COLUMNS


def test_a_full_row_with_a_byte_order_mark() -> None:
    text = (
        "\ufeffid,kind,identifiers,name_zh,installed_on,registered,load_chart,floors\r\n"
        'C-1, crane ,"registration_code:30103201022005048051; rescue_code:12345",'
        '"塔吊, 一号",2019-02-28,TRUE,3:10;6.5:4,2\r\n'
    )
    assert parse_registry(text) == RegistryFile(
        rows=(
            Equipment(
                id="C-1",
                kind=Kind.CRANE,
                identifiers=(
                    (IdentifierScheme.REGISTRATION_CODE, "30103201022005048051"),
                    (IdentifierScheme.RESCUE_CODE, "12345"),
                ),
                name_zh="塔吊, 一号",
                installed_on=date(2019, 2, 28),
                registered=True,
                load_chart=((3.0, 10.0), (6.5, 4.0)),
                floors=2,
            ),
        )
    )


def test_only_id_and_kind_are_needed_in_any_order() -> None:
    assert parse_registry("kind,id\nlift,L-1\n\n,\n").rows == (Equipment(id="L-1", kind=Kind.LIFT),)


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("id", "L 1", "id must be 1 to 64 of A-Z a-z 0-9 - _: 'L 1'"),
        ("id", "L-1\n", None),
        ("id", "x" * 64, None),
        ("id", "x" * 65, "id must be 1 to 64"),
        ("id", "电梯", "id must be"),
        ("id", "", "id must be"),
        ("kind", "Lift", "kind is none of lift, escalator, boiler, crane, vessel, vehicle: 'Lift'"),
        ("kind", "", "kind is none of"),
        ("latitude", "90.1", "latitude must lie in -90 ... 90: '90.1'"),
        ("longitude", "-180", None),
        ("longitude", "-181", "longitude must lie in -180 ... 180"),
        ("rated_load_t", "abc", "rated_load_t is not a number: 'abc'"),
        ("rated_load_t", "1_0", "rated_load_t is not a number"),
        ("rated_load_t", "-1", "rated_load_t must not be negative"),
        ("rated_load_t", "inf", "rated_load_t is not a finite number"),
        ("rated_load_t", "1e999", "rated_load_t is not a finite number"),
        ("rated_load_t", "NaN", "rated_load_t is not a finite number"),
        ("report_interval_s", "0", "report_interval_s must be above 0"),
        ("floors", "12.0", None),
        ("floors", "12.5", "floors is not a whole number in 1 ... 1000"),
        ("floors", "1001", "floors is not a whole number"),
        ("installed_on", "2023-02-29", "installed_on is not an ISO date"),
        ("installed_on", "20230201", "installed_on is not an ISO date"),
        ("inspection_due_on", "01/02/2023", "inspection_due_on is not an ISO date"),
        ("registered", "yes", "registered is neither true nor false: 'yes'"),
        ("registered", "", None),
        ("gateway_id", "a/b", "gateway_id must be 1 to 64"),
        ("load_chart", "3:10;3:9", "load_chart must have rising radii"),
        ("load_chart", "3", "load_chart has '3' without a colon"),
        ("load_chart", "3:", "load_chart is not a number"),
        ("load_chart", "3:-1", "load_chart has a negative radius or capacity"),
        ("identifiers", "plate:5", "identifiers has scheme 'plate'; known: registration_code"),
        ("identifiers", "rescue_code:", "identifiers has no value for rescue_code"),
        ("name_zh", "梯" * CELL_LIMIT, None),
        ("name_zh", "梯" * (CELL_LIMIT + 1), f"name_zh has {CELL_LIMIT + 1} characters"),
        ("address", "a\0b", "address holds a NUL character"),
    ],
)
def test_one_cell(column: str, cell: str, reason: str | None) -> None:
    cells = {"id": "L-1", "kind": "lift"} | {column: cell}
    row = ",".join(f'"{value}"' for value in cells.values())
    file = parse_registry(f"{','.join(cells)}\n{row}\n")
    if reason is None:
        assert len(file.rows) == 1
        assert not file.refused
    else:
        assert not file.rows
        (refused,) = file.refused
        assert len(refused.reasons) == 1
        assert refused.reasons[0].startswith(reason)


def test_each_bad_row_says_its_line_and_every_reason() -> None:
    text = (
        "id,kind,rated_load_t,installed_on,name_zh\n"
        'L-1,lift,,,"two\nlines"\n'
        "\n"
        "L-2,lfit,-1,today,x\n"
        "L-1,lift,,,again\n"
        "L-3,lift\n"
        "L-4,lift,,,,surplus\n"
        "L-5,lift,,,,\n"
        'L-6,"lift"x,,,\n'
        "L-7,lift,,,\n"
    )
    file = parse_registry(text)
    assert [row.id for row in file.rows] == ["L-1", "L-5", "L-7"]
    assert [(row.line, row.id, len(row.reasons)) for row in file.refused] == [
        (5, "L-2", 3),
        (6, "L-1", 1),
        (7, "L-3", 1),
        (8, "L-4", 1),
        (10, "", 1),
    ]
    assert file.refused[0].raw == "L-2,lfit,-1,today,x"
    assert file.refused[1].reasons == ("id stands on line 2 already",)
    assert file.refused[2].reasons == ("row has 2 cells, the header has 5",)
    assert file.refused[4].reasons[0].startswith("row is not CSV")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column id is missing; column kind is missing"),
        ("id,kind,rated_laod_t\n", "column 'rated_laod_t' is unknown, did you mean rated_load_t"),
        ("ID,kind\n", "column 'ID' is unknown, did you mean id"),
        ("id,kind,zzzz\n", "column 'zzzz' is unknown$"),
        ("id,kind,floors,floors\n", "column floors stands twice"),
        ("id;kind\n", "column 'id;kind' is unknown"),
        ('"id"x,kind\n', "not CSV"),
    ],
)
def test_a_wrong_header_refuses_the_file(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_registry(text)


def test_rows_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "ROWS_LIMIT", 2)
    assert len(parse_registry("id,kind\nL-1,lift\nL-2,lift\n").rows) == 2
    with pytest.raises(UsageError, match="more than 2 rows"):
        parse_registry("id,kind\nL-1,lift\nL-2,lift\nL-3,lift\n")


def test_what_is_unusual_is_read_with_a_warning() -> None:
    file = parse_registry(
        "id,kind,identifiers,classification,maintenance_firm\n"
        "L-1,lift,registration_code:123;certificate:梯11,Q2/U5,F-1\n"
        "L-2,lift,rescue_code:12345,heavy,某某电梯公司\n"
    )
    assert len(file.rows) == 2
    assert not file.refused
    assert [(warning.line, warning.id, warning.text) for warning in file.warnings] == [
        (2, "L-1", "registration_code '123' is unusual: expected 20 digits"),
        (3, "L-2", "classification 'heavy' is not of the form Q2/U5"),
        (3, "L-2", "maintenance_firm '某某电梯公司' is no firm id: nobody is notified"),
    ]


def test_an_identifier_that_the_format_cannot_express_is_refused() -> None:
    row = Equipment(
        id="L-1", kind=Kind.LIFT, identifiers=((IdentifierScheme.CERTIFICATE, "a;b:c"),)
    )
    with pytest.raises(UsageError, match="semicolon"):
        format_registry([row])


def test_firms_are_read() -> None:
    file = parse_firms(
        "id,name_zh,phone,webhook_url,webhook_secret,mqtt_notify\n"
        "F-1,甲,110,https://firm.example/hook,s3cret,true\n"
        "F-2,乙,,,,\n"
    )
    assert file.refused == ()
    assert file.rows == (
        Firm(
            id="F-1",
            name_zh="甲",
            phone="110",
            webhook_url="https://firm.example/hook",
            webhook_secret="s3cret",
            mqtt_notify=True,
        ),
        Firm(id="F-2", name_zh="乙"),
    )


def test_a_refused_firm_keeps_its_secret() -> None:
    secret = "s3cret" * 200
    file = parse_firms(f"id,webhook_url,webhook_secret\nF 1,ftp://x,{secret}\n")
    (refused,) = file.refused
    assert len(refused.reasons) == 3
    assert refused.reasons[1] == "webhook_url is not an http or https address: 'ftp://x'"
    assert "s3cret" not in repr(refused)


def test_firms_need_an_id_column() -> None:
    with pytest.raises(UsageError, match="column id is missing"):
        parse_firms("name_zh\n甲\n")


def test_an_unknown_dialect_is_a_warning_and_the_device_is_watched() -> None:
    file = parse_registry("id,kind,dialect\nL1,lift,elsewhere\n")
    assert [row.dialect for row in file.rows] == ["elsewhere"]
    assert not file.refused
    assert "its codes are only stored" in file.warnings[0].text
