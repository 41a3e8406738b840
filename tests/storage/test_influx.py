"""What is InfluxDB's alone: points, chunks, retries, refusals. The rest is the contract suite."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import numpy as np
import pytest
import stamina

from domain.equipment import Kind
from domain.errors import DependencyError
from domain.instants import NS_PER_S
from storage import influx
from storage.influx import InfluxStore
from storage.line_protocol import extra_field, extra_name, lines, point_time_ns
from tests.support.batches import T0_NS, make_batch
from tests.support.influx_gateway import Gateway, influx_gateway
from tests.support.influxd import InfluxServer

pytestmark = pytest.mark.influxdb

TOKEN, ORG = "a-token", "district"
EVER = {"start_ns": -(2**63), "end_ns": 2**63 - 1}


@pytest.fixture
def server(influxd: InfluxServer) -> InfluxServer:
    return influxd


@pytest.fixture
def gateway(server: InfluxServer) -> Iterator[Gateway]:
    with influx_gateway(server.url, token=TOKEN, org=ORG) as running:
        yield running


@pytest.fixture
def database(server: InfluxServer) -> str:
    return server.new_database()


@pytest.fixture
def store(gateway: Gateway, database: str) -> Iterator[InfluxStore]:
    opened = InfluxStore(url=gateway.url, version=2, bucket=database, org=ORG, token=TOKEN)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=influx.ATTEMPTS_MAX):
        yield


def first_series(server: InfluxServer, query: str, database: str) -> Any:
    return server.query(query, database)[0]["series"][0]  # type: ignore[index]  # JSON


def test_timestamps_are_milliseconds_with_the_ordinal_below_them() -> None:
    event = np.array([T0_NS + 1_999_999, -1, T0_NS])
    ordinal = np.array([3, 5, 1_000_001])
    assert point_time_ns(event, ordinal).tolist() == [
        T0_NS + 1_000_003,
        -1_000_000 + 5,
        T0_NS + 1,
    ]


@pytest.mark.parametrize("name", ["oil", "a b", "a=1,b\\", '"', "%41", "油温\n", "x_x_", "\\"])
def test_extra_fields_are_plain_and_come_back(name: str) -> None:
    field = extra_field(name)
    assert not set(field) & set(' =,"\\\n')
    assert extra_name(field) == name


def test_only_reported_fields_are_written() -> None:
    batch = make_batch(
        Kind.VESSEL, [{"id": "V-1", "ordinal": 7, "seq": 4, "v": {"door_closed": True}}]
    )
    [line] = lines(batch, np.arange(1))
    assert line == (
        f"vessel,equipment_id=V-1 event_time_ns={T0_NS}i,received_at_ns={T0_NS}i,position=1i,"
        f"ordinal=7i,stream=1i,quality=0i,seq=4i,door_closed=1i {T0_NS + 7}"
    )


def test_equipment_is_the_only_tag_and_flags_are_numbers(
    server: InfluxServer, store: InfluxStore, database: str
) -> None:
    store.append([make_batch(Kind.LIFT, [{"v": {"door_zone": True}}])], 1)
    assert first_series(server, "SHOW TAG KEYS", database)["values"] == [["equipment_id"]]
    highest = first_series(server, 'SELECT max("door_zone") FROM "lift"', database)
    assert highest["values"][0][1] == 1


def test_writes_are_cut_into_requests(
    gateway: Gateway, store: InfluxStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx, "CHUNK_LINES_MAX", 10)
    store.append([make_batch(Kind.LIFT, [{"v": {"trips": n}} for n in range(25)])], 1)
    assert store.count() == 25
    assert gateway.writes == 3 + 1, "three chunks and the position"


@pytest.mark.parametrize("status", [500, 503, 429])
def test_what_may_pass_is_tried_again(gateway: Gateway, store: InfluxStore, status: int) -> None:
    gateway.failures = [status] * (influx.ATTEMPTS_MAX - 1)
    store.append([make_batch(Kind.LIFT, [{"v": {"trips": 1}}])], 1)
    assert (store.count(), store.position()) == (1, 1)


def test_attempts_are_bounded_and_the_same_call_may_be_made_again(
    gateway: Gateway, store: InfluxStore
) -> None:
    batch = make_batch(Kind.LIFT, [{"v": {"trips": n}} for n in range(3)])
    gateway.failures = [503] * influx.ATTEMPTS_MAX
    with pytest.raises(DependencyError, match=r"503: .*later"):
        store.append([batch], 1)
    assert gateway.writes == influx.ATTEMPTS_MAX
    assert store.position() == 0
    store.append([batch], 1)
    assert (store.count(), store.position()) == (3, 1)


def test_rows_written_before_the_position_failed_do_not_double(
    gateway: Gateway, store: InfluxStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = make_batch(Kind.LIFT, [{"t": T0_NS, "v": {"trips": n}} for n in range(3)])
    write = store._write

    def refuse_loader(body: bytes) -> None:
        if body.startswith(b"loader"):
            gateway.failures = [400]
        write(body)

    monkeypatch.setattr(store, "_write", refuse_loader)
    with pytest.raises(DependencyError, match="400"):
        store.append([batch], 1)
    assert (store.count(), store.position()) == (3, 0)
    monkeypatch.undo()
    store.append([batch], 1)
    assert (store.count(), store.position()) == (3, 1)


def test_refusals_carry_the_servers_words(
    server: InfluxServer, gateway: Gateway, database: str
) -> None:
    batch = make_batch(Kind.LIFT, [{"v": {"trips": 1}}])
    for version, url, bucket, token, words in (
        (1, server.url, "nowhere", "", "database not found"),
        (2, gateway.url, database, "wrong", "401.*unauthorized"),
    ):
        store = InfluxStore(url=url, version=version, bucket=bucket, org=ORG, token=token)  # type: ignore[arg-type]  # of the literals above
        with pytest.raises(DependencyError, match=words):
            store.append([batch], 1)
        store.close()


def test_a_wrong_field_type_is_refused_in_the_servers_words(
    server: InfluxServer, store: InfluxStore, database: str
) -> None:
    other = InfluxStore(url=server.url, version=1, bucket=database)
    other._send(f'lift,equipment_id=D-1 trips="many" {T0_NS}'.encode())
    other.close()
    with pytest.raises(DependencyError, match="field type conflict"):
        store.append([make_batch(Kind.LIFT, [{"v": {"trips": 1}}])], 1)
    assert store.position() == 0


@pytest.mark.parametrize("version", [1, 2])
def test_a_server_that_is_away_is_named(version: int) -> None:
    url = "http://127.0.0.1:9"
    store = InfluxStore(url=url, version=version, bucket="b", org="o", token="t")  # type: ignore[arg-type]  # parametrised
    for act in (store.position, store.count, lambda: store._send(b"lift n=1i 1")):
        with pytest.raises(DependencyError, match=url):
            act()
    store.close()


def test_points_beyond_the_retention_are_counted_and_stall_nothing(
    server: InfluxServer, store: InfluxStore, database: str
) -> None:
    server.query(f'CREATE RETENTION POLICY "h" ON "{database}" DURATION 1h REPLICATION 1 DEFAULT')
    store.append([make_batch(Kind.LIFT, [{"t": T0_NS - 10**17, "v": {"trips": 1}}])], 1)
    assert (store.count(), store.position(), store.expired) == (0, 1, 1)


@pytest.mark.parametrize(
    "text",
    ["' OR 1=1 --", '" OR "equipment_id" =~ /.*/', "D-1' ; DROP MEASUREMENT lift", "$id", "\\"],
)
def test_an_id_is_never_a_part_of_the_query(store: InfluxStore, text: str) -> None:
    store.append([make_batch(Kind.LIFT, [{"id": "D-1", "v": {"trips": 1}}])], 1)
    assert store.history(Kind.LIFT, text, **EVER) == []
    assert store.latest(Kind.LIFT, text) == {}
    assert store.count() == 1


def test_a_page_ends_rightly_inside_one_millisecond(store: InfluxStore) -> None:
    # Points lie in the order of ordinals, event times in the other one.
    rows = [{"t": T0_NS + 900 - 100 * n, "v": {"trips": n}} for n in range(6)]
    store.append([make_batch(Kind.LIFT, rows)], 1)
    page = store.history(Kind.LIFT, "D-1", **EVER, limit=4)
    assert [row.values["trips"] for row in page] == [5, 4, 3, 2]
    assert store.latest(Kind.LIFT, "D-1")["trips"].value == 0


def test_the_position_survives_a_clock_set_back(
    gateway: Gateway, store: InfluxStore, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append([], 5)
    monkeypatch.setattr("time.time_ns", lambda: T0_NS - 3_600 * NS_PER_S)
    store.append([], 6)
    again = InfluxStore(url=gateway.url, version=2, bucket=database, org=ORG, token=TOKEN)
    again.append([], 7)
    again.close()
    third = InfluxStore(url=gateway.url, version=2, bucket=database, org=ORG, token=TOKEN)
    assert third.position() == 7
    third.close()


class Stranger(BaseHTTPRequestHandler):
    """Something else that answers at the address."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.words)  # type: ignore[attr-defined]  # the test's own

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Keep the test's output clean."""


@pytest.mark.parametrize("words", [b"<html>", b"[]", b"{}"])
def test_an_answer_of_something_else_is_no_crash(words: bytes) -> None:
    server = HTTPServer(("127.0.0.1", 0), Stranger)
    server.words = words  # type: ignore[attr-defined]  # as above
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    store = InfluxStore(url=f"http://127.0.0.1:{server.server_port}", version=1, bucket="b")
    try:
        with pytest.raises(DependencyError, match="refused"):
            store.position()
    finally:
        store.close()
        server.shutdown()
        thread.join()
        server.server_close()
