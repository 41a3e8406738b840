"""One contract over every telemetry store: memory, DuckDB, and InfluxDB by both ways of writing."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from domain.channels import CHANNELS, Channel, ChannelType
from domain.equipment import Kind
from domain.instants import NS_PER_MS, NS_PER_S
from domain.ports import PAGE_LIMIT, TelemetryStore
from domain.readings import Latest, Quality, Sample, Stream
from storage.duckdb import DuckDBStore
from storage.influx import InfluxStore
from storage.memory import MemoryStore
from tests.support.batches import T0_NS, make_batch
from tests.support.influx_gateway import influx_gateway
from tests.support.influxd import InfluxServer

DURABLE = (
    "duckdb",
    pytest.param("influxdb-1", marks=pytest.mark.influxdb),
    pytest.param("influxdb-2", marks=pytest.mark.influxdb),
)
Opener = Callable[[], TelemetryStore]

AWKWARD = (
    "B1",
    "7",
    "地下二层",
    "Ü-3 🛗",
    'say "up"',
    "it's; DROP",
    "back\\slash",
    "ends\\",
    "a,b=c d",
    "two\nlines",
    "tab\tand \r",
    '\\"',
    "%41",
    "'",
    "#1",
)


@pytest.fixture
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the store of this test, as often as asked; only one is open at a time."""
    with ExitStack() as stack:
        open_: Opener
        if request.param == "memory":
            store = MemoryStore()
            open_ = lambda: store  # noqa: E731 - the closure keeps its content
        elif request.param == "duckdb":
            open_ = lambda: DuckDBStore(tmp_path / "telemetry.duckdb")  # noqa: E731 - as above
        else:
            server: InfluxServer = request.getfixturevalue("influxd")
            database = server.new_database()
            url: str = server.url
            version: Literal[1, 2] = 1
            if request.param == "influxdb-2":
                gateway = influx_gateway(server.url, token="secret", org="equipwatch")
                url, version = stack.enter_context(gateway).url, 2
            open_ = lambda: InfluxStore(  # noqa: E731 - as above
                url=url, version=version, bucket=database, org="equipwatch", token="secret"
            )
        yield open_


@pytest.fixture
def store(opener: Opener) -> Iterator[TelemetryStore]:
    opened = opener()
    yield opened
    opened.close()


every_store = pytest.mark.parametrize("opener", ["memory", *DURABLE], indirect=True)
durable_store = pytest.mark.parametrize("opener", DURABLE, indirect=True)


def everything(
    store: TelemetryStore, kind: Kind = Kind.LIFT, equipment_id: str = "D-1"
) -> Sequence[Sample]:
    return store.history(kind, equipment_id, start_ns=0, end_ns=2**62)


def reading(channel: Channel) -> float | bool | str:
    """A plausible value that is not 0."""
    match channel.type:
        case ChannelType.FLAG:
            return True
        case ChannelType.CODE:
            return float(max(channel.codes))
        case ChannelType.LABEL:
            return "B2"
        case ChannelType.NUMBER:
            return 0.1 + 0.2
    raise AssertionError(channel)


@every_store
def test_an_empty_store_knows_nothing(store: TelemetryStore) -> None:
    assert store.position() == 0
    assert store.count() == 0
    assert store.latest(Kind.LIFT, "D-1") == {}
    assert list(everything(store)) == []


@every_store
def test_every_channel_of_every_kind_reads_back(store: TelemetryStore) -> None:
    for kind in Kind:
        full = {channel.name: reading(channel) for channel in CHANNELS[kind]}
        low = {c.name: False if c.type is ChannelType.FLAG else reading(c) for c in CHANNELS[kind]}
        batch = make_batch(kind, [{"v": full}, {"v": low}], position=1 + list(Kind).index(kind))
        store.append([batch], 1 + list(Kind).index(kind))
        assert [sample.values for sample in everything(store, kind)] == [full, low]
        for sample in everything(store, kind):
            for channel in CHANNELS[kind]:
                assert type(sample.values[channel.name]) is type(full[channel.name])
        latest = store.latest(kind, "D-1")
        assert {name: last.value for name, last in latest.items()} == low
    assert store.count() == 2 * len(Kind)


@every_store
def test_a_row_reads_back_whole(store: TelemetryStore) -> None:
    row: dict[str, Any] = {
        "id": "L_7-a",
        "t": T0_NS + 123_456_789,
        "received_at_ns": T0_NS + 987_654_321,
        "seq": 2**62 + 1,
        "stream": Stream.EVENT,
        "quality": Quality.LATE | Quality.REBOOTED,
        "code": "gbt24476:43",
        "active": 0,
    }
    store.append([make_batch(Kind.LIFT, [row], position=2**61 + 1)], 2**61 + 1)
    assert store.position() == 2**61 + 1
    assert list(everything(store, equipment_id="L_7-a")) == [
        Sample(
            equipment_id="L_7-a",
            event_time_ns=T0_NS + 123_456_789,
            received_at_ns=T0_NS + 987_654_321,
            stream=Stream.EVENT,
            quality=Quality.LATE | Quality.REBOOTED,
            seq=2**62 + 1,
            values={},
            code="gbt24476:43",
            active=False,
        )
    ]


@every_store
def test_not_reported_differs_from_unknown(store: TelemetryStore) -> None:
    rows: list[dict[str, Any]] = [
        {"v": {"speed_mps": 1.5, "door_zone": True, "car_position": "3"}},
        {"v": {"speed_mps": None, "car_position": None}},
        {"v": {"door_zone": False}},
    ]
    store.append([make_batch(Kind.LIFT, rows)], 1)
    assert [sample.values for sample in everything(store)] == [row["v"] for row in rows]
    assert store.latest(Kind.LIFT, "D-1") == {
        "speed_mps": Latest(value=None, event_time_ns=T0_NS + NS_PER_S),
        "car_position": Latest(value=None, event_time_ns=T0_NS + NS_PER_S),
        "door_zone": Latest(value=False, event_time_ns=T0_NS + 2 * NS_PER_S),
    }


@every_store
def test_rows_without_seq_or_code_say_so(store: TelemetryStore) -> None:
    store.append([make_batch(Kind.VESSEL, [{"v": {"temperature_c": 20.0}}])], 1)
    [sample] = everything(store, Kind.VESSEL)
    assert (sample.seq, sample.code, sample.active) == (None, None, None)
    assert sample.stream is Stream.TELEMETRY


@every_store
def test_rows_that_share_an_event_time_survive_in_order(store: TelemetryStore) -> None:
    rows = [{"t": T0_NS, "ordinal": 7 + n, "v": {"load_kg": float(n)}} for n in (0, 1, 2, 3)]
    store.append([make_batch(Kind.LIFT, [rows[2], rows[0], rows[3], rows[1]])], 1)
    assert [sample.values["load_kg"] for sample in everything(store)] == [0, 1, 2, 3]
    assert store.latest(Kind.LIFT, "D-1")["load_kg"].value == 3
    assert store.count() == 4


@every_store
def test_order_within_a_millisecond_is_that_of_event_times(store: TelemetryStore) -> None:
    #        |<------- one millisecond ------->|
    # event    +10 ns (ordinal 9)  +500 ns (ordinal 999 999)  +900 ns (ordinal 1 000 000)
    rows = [
        {"t": T0_NS + 500, "ordinal": 999_999, "v": {"load_kg": 2.0}},
        {"t": T0_NS + 900, "ordinal": 1_000_000, "v": {"load_kg": 3.0}},
        {"t": T0_NS + 10, "ordinal": 9, "v": {"load_kg": 1.0}},
    ]
    store.append([make_batch(Kind.LIFT, rows)], 1)
    assert [sample.values["load_kg"] for sample in everything(store)] == [1, 2, 3]
    first = store.history(Kind.LIFT, "D-1", start_ns=0, end_ns=2**62, limit=1)
    assert [sample.values["load_kg"] for sample in first] == [1]
    assert store.latest(Kind.LIFT, "D-1")["load_kg"] == Latest(value=3, event_time_ns=T0_NS + 900)


@every_store
def test_a_range_includes_its_start_and_excludes_its_end(store: TelemetryStore) -> None:
    times = [T0_NS - 1, T0_NS, T0_NS + 1, T0_NS + NS_PER_MS - 1, T0_NS + NS_PER_MS, T0_NS + 2**40]
    store.append([make_batch(Kind.CRANE, [{"t": t, "v": {"radius_m": 1.0}} for t in times])], 1)

    def between(start_ns: int, end_ns: int) -> list[int]:
        found = store.history(Kind.CRANE, "D-1", start_ns=start_ns, end_ns=end_ns)
        return [sample.event_time_ns for sample in found]

    for start in range(len(times)):
        for end in range(len(times)):
            assert between(times[start], times[end]) == times[start:end]
    assert between(0, T0_NS - 1) == []
    assert between(T0_NS + 2, T0_NS + NS_PER_MS - 1) == []


@every_store
def test_a_page_holds_the_oldest_rows(store: TelemetryStore) -> None:
    rows = [{"t": T0_NS + n // 3, "v": {"load_kg": float(n)}} for n in range(PAGE_LIMIT + 5)]
    store.append([make_batch(Kind.LIFT, rows)], 1)
    assert len(everything(store)) == PAGE_LIMIT
    for limit in (0, 1, 2, 4, 100):
        page = store.history(Kind.LIFT, "D-1", start_ns=0, end_ns=2**62, limit=limit)
        assert [sample.values["load_kg"] for sample in page] == list(range(limit))
    whole = store.history(Kind.LIFT, "D-1", start_ns=0, end_ns=2**62, limit=PAGE_LIMIT + 100)
    assert len(whole) == PAGE_LIMIT + 5


@every_store
def test_late_rows_stand_at_their_event_time_and_are_not_the_latest(store: TelemetryStore) -> None:
    # arrival:   T0+60 (load 60)  then  T0 (load 0, late)  then  T0+30 (speed, late)
    store.append([make_batch(Kind.LIFT, [{"t": T0_NS + 60, "v": {"load_kg": 60.0}}])], 1)
    assert store.latest(Kind.LIFT, "D-1")["load_kg"].value == 60
    late = [
        {"t": T0_NS, "quality": Quality.LATE, "v": {"load_kg": 0.0}},
        {"t": T0_NS + 30, "quality": Quality.LATE, "v": {"speed_mps": 1.0}},
    ]
    store.append([make_batch(Kind.LIFT, late, position=2, first_ordinal=1)], 2)
    assert [s.event_time_ns - T0_NS for s in everything(store)] == [0, 30, 60]
    assert store.latest(Kind.LIFT, "D-1") == {
        "load_kg": Latest(value=60.0, event_time_ns=T0_NS + 60),
        "speed_mps": Latest(value=1.0, event_time_ns=T0_NS + 30),
    }


@every_store
def test_latest_follows_what_is_appended(store: TelemetryStore) -> None:
    for n in range(1, 4):
        row = {"t": T0_NS + n, "v": {"load_kg": float(n), "car_position": str(n)}}
        store.append([make_batch(Kind.LIFT, [row], position=n, first_ordinal=n)], n)
        assert store.latest(Kind.LIFT, "D-1") == {
            "load_kg": Latest(value=float(n), event_time_ns=T0_NS + n),
            "car_position": Latest(value=str(n), event_time_ns=T0_NS + n),
        }


@every_store
def test_a_replay_changes_nothing(store: TelemetryStore) -> None:
    rows = [{"position": 1 + n, "v": {"load_kg": float(n)}} for n in range(6)]
    store.append([make_batch(Kind.LIFT, rows[:4])], 4)
    before = list(everything(store))
    store.append([make_batch(Kind.LIFT, rows[:4])], 4)
    store.append([make_batch(Kind.LIFT, rows[:2])], 2)
    assert (store.position(), store.count(), list(everything(store))) == (4, 4, before)
    store.append([make_batch(Kind.LIFT, rows)], 6)
    assert (store.position(), store.count()) == (6, 6)
    assert [s.values["load_kg"] for s in everything(store)] == [0, 1, 2, 3, 4, 5]


@durable_store
def test_a_reopened_store_goes_on_where_it_was(opener: Opener) -> None:
    rows = [{"position": 5 + n, "v": {"load_kg": float(n)}} for n in range(4)]
    store = opener()
    store.append([make_batch(Kind.LIFT, rows[:2])], 6)
    before = store.latest(Kind.LIFT, "D-1")
    store.close()
    store = opener()
    assert store.position() == 6
    assert store.latest(Kind.LIFT, "D-1") == before
    store.append([make_batch(Kind.LIFT, rows)], 8)
    assert store.count() == 4
    assert store.latest(Kind.LIFT, "D-1")["load_kg"].value == 3
    store.close()


@every_store
def test_an_append_without_rows_advances_the_position(store: TelemetryStore) -> None:
    store.append([], 17)
    store.append([make_batch(Kind.BOILER, [])], 18)
    assert (store.position(), store.count()) == (18, 0)


@every_store
def test_alive_rows_are_not_stored(store: TelemetryStore) -> None:
    rows: list[dict[str, Any]] = [
        {"stream": Stream.ALIVE, "online": 1},
        {"v": {"load_kg": 1.0}, "extras": {"oil_c": 40.0}},
        {"stream": Stream.ALIVE, "online": 0},
    ]
    store.append([make_batch(Kind.LIFT, rows)], 1)
    assert store.count() == 1
    assert [s.values for s in everything(store)] == [{"load_kg": 1.0, "oil_c": 40.0}]


@every_store
def test_codes_of_one_item_are_rows_of_one_time(store: TelemetryStore) -> None:
    rows = [
        {"t": T0_NS, "stream": Stream.FAULT, "code": "gbt24476:04"},
        {"t": T0_NS, "stream": Stream.FAULT, "code": "厂家:E 1,2", "active": 0},
    ]
    store.append([make_batch(Kind.LIFT, rows)], 1)
    found = [(sample.code, sample.active) for sample in everything(store)]
    assert found == [("gbt24476:04", True), ("厂家:E 1,2", False)]
    assert store.latest(Kind.LIFT, "D-1") == {}


@every_store
def test_labels_and_codes_read_back_as_they_were(store: TelemetryStore) -> None:
    rows = [
        {"id": f"D{n}", "v": {"car_position": label}, "code": f"x:{label}"}
        for n, label in enumerate(AWKWARD)
    ]
    store.append([make_batch(Kind.LIFT, rows)], 1)
    for n, label in enumerate(AWKWARD):
        [sample] = everything(store, equipment_id=f"D{n}")
        assert sample.values == {"car_position": label}
        assert sample.code == f"x:{label}"
        assert store.latest(Kind.LIFT, f"D{n}")["car_position"].value == label


@every_store
def test_unknown_channels_keep_their_names(store: TelemetryStore) -> None:
    names = ("oil_c", "油温 °C", "position", "code", "time", "a,b=c", 'q"', "x\\", "n\nl", "%41")
    values = {name: float(n) for n, name in enumerate(names)}
    flagged = {"quality": Quality.UNKNOWN_CHANNEL}
    rows: list[dict[str, Any]] = [
        {**flagged, "extras": values},
        {**flagged, "v": {"load_kg": 5.0}, "extras": {"oil_c": 99.0}},
        {"v": {"load_kg": 6.0}},
    ]
    store.append([make_batch(Kind.LIFT, rows)], 1)
    shown = [sample.values for sample in everything(store)]
    assert shown == [values, {"load_kg": 5.0, "oil_c": 99.0}, {"load_kg": 6.0}]
    latest = {name: last.value for name, last in store.latest(Kind.LIFT, "D-1").items()}
    assert latest == {**values, "oil_c": 99.0, "load_kg": 6.0}


@every_store
def test_numbers_read_back_bit_for_bit(store: TelemetryStore) -> None:
    numbers = [0.0, 5e-324, 1.7e308, 0.1, -19.999999999999996, 1e22, 2.0**53 + 2]
    store.append([make_batch(Kind.LIFT, [{"v": {"speed_mps": n}} for n in numbers])], 1)
    assert [sample.values["speed_mps"] for sample in everything(store)] == numbers


@every_store
def test_devices_and_kinds_are_kept_apart(store: TelemetryStore) -> None:
    lifts = [{"id": "A", "v": {"load_kg": 1.0}}, {"id": "B", "v": {"load_kg": 2.0}}]
    crane = [{"id": "A", "v": {"hook_load_t": 3.0}}]
    store.append(
        [
            make_batch(Kind.LIFT, lifts, ids=("Z", "B", "A")),
            make_batch(Kind.CRANE, crane),
            make_batch(Kind.LIFT, [{"id": "A", "v": {"load_kg": 4.0}}], first_ordinal=1),
        ],
        1,
    )
    assert [s.values["load_kg"] for s in everything(store, equipment_id="A")] == [1, 4]
    assert [s.values["load_kg"] for s in everything(store, equipment_id="B")] == [2]
    assert [s.equipment_id for s in everything(store, equipment_id="B")] == ["B"]
    assert [s.values for s in everything(store, Kind.CRANE, "A")] == [{"hook_load_t": 3.0}]
    assert everything(store, equipment_id="Z") == []


@every_store
def test_an_id_is_never_read_as_a_query(store: TelemetryStore) -> None:
    store.append([make_batch(Kind.LIFT, [{"id": "A", "v": {"load_kg": 1.0}}])], 1)
    for text in ("' OR '1'='1", '" OR 1=1 --', "A'; DROP TABLE lift", "A\\", "$id", ""):
        assert list(everything(store, equipment_id=text)) == []
        assert store.latest(Kind.LIFT, text) == {}
    assert store.count() == 1


@every_store
def test_pruning_deletes_what_is_older(store: TelemetryStore) -> None:
    rows = [
        {"t": T0_NS + n * NS_PER_S, "v": {"load_kg": float(n)}, "extras": {"oil_c": 1.0}}
        for n in range(10)
    ]
    store.append([make_batch(Kind.LIFT, rows[:6]), make_batch(Kind.CRANE, [])], 1)
    store.append([make_batch(Kind.LIFT, rows[6:], position=2, first_ordinal=6)], 2)
    assert store.latest(Kind.LIFT, "D-1")["load_kg"].value == 9
    assert store.prune(T0_NS + 4 * NS_PER_S) in {4, -1}
    assert [s.values["load_kg"] for s in everything(store)] == [4, 5, 6, 7, 8, 9]
    assert (store.count(), store.position()) == (6, 2)
    assert store.prune(T0_NS + 4 * NS_PER_S) in {0, -1}
    assert store.prune(T0_NS + 60 * NS_PER_S) in {6, -1}
    assert (store.count(), store.position()) == (0, 2)
    assert store.latest(Kind.LIFT, "D-1") == {}


@durable_store
def test_a_store_agrees_with_the_one_in_memory(opener: Opener) -> None:
    rng = np.random.default_rng(20_260_301)
    store, model = opener(), MemoryStore()
    ordinals: dict[str, int] = {}
    for position in range(1, 13):
        for kind in (Kind.LIFT, Kind.BOILER, Kind.VEHICLE):
            rows = [random_row(rng, kind, ordinals) for _ in range(int(rng.integers(0, 40)))]
            batch = make_batch(kind, rows, position=position)
            for target in (store, model):
                target.append([batch], 3 * position + list(Kind).index(kind))
        if position == 6:
            store.close()
            store = opener()
    assert store.count() == model.count()
    for kind in (Kind.LIFT, Kind.BOILER, Kind.VEHICLE):
        for device in DEVICES:
            assert list(everything(store, kind, device)) == list(everything(model, kind, device))
            assert store.latest(kind, device) == model.latest(kind, device)
    store.close()


DEVICES = ("D-1", "D_2", "d3")


def random_row(rng: np.random.Generator, kind: Kind, ordinals: dict[str, int]) -> dict[str, object]:
    device = str(rng.choice(DEVICES))
    ordinals[device] = ordinals.get(device, -1) + 1
    values: dict[str, object] = {}
    for channel in CHANNELS[kind]:
        if rng.random() < 0.1:
            values[channel.name] = None
        elif rng.random() < 0.4:
            label = channel.type is ChannelType.LABEL
            values[channel.name] = str(rng.choice(AWKWARD)) if label else float(rng.integers(0, 2))
    return {
        "id": device,
        "t": T0_NS + int(rng.integers(0, 3_000_000)),
        "ordinal": ordinals[device],
        "seq": int(rng.integers(0, 100)),
        "stream": rng.choice([Stream.STATUS, Stream.TELEMETRY, Stream.EVENT, Stream.ALIVE]),
        "quality": Quality(int(rng.choice([0, 1, 64]))),
        "v": values,
        **({"code": "gbt24476:04"} if rng.random() < 0.2 else {}),
    }
