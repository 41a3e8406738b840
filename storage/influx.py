"""Telemetry in InfluxDB 1.x or 2.x: the store of larger sites, and Grafana's data source.

Rows are written before the position is, and a row written again is the same point: after a failure
the same frames come again and nothing doubles. Reading is InfluxQL with bound parameters on both.
"""

# ruff: noqa: S608 - measurements and fields come out of the catalogue; ids are bound parameters

import gzip
import itertools
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, Literal, NoReturn

import httpx2
import stamina
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from domain.equipment import Kind
from domain.errors import DependencyError
from domain.ports import PAGE_LIMIT
from domain.readings import Latest, ReadingBatch, Sample
from storage import influxql
from storage.influxql import Record, quoted, reported, stored_rows
from storage.line_protocol import (
    EXTRA_PREFIX,
    LOADER,
    MILLISECOND_NS,
    UNKNOWN,
    lines,
    loader_line,
)
from storage.rows import Newest, in_order, storable
from storage.schema import TAG, channel_fields, measurement

CHUNK_LINES_MAX = 5_000
"""Lines of one write request."""

ATTEMPTS_MAX = 5
RETRY_TIMEOUT_S = 30.0
"""One request is tried this often and no longer than this, then the caller decides."""

REQUEST_TIMEOUT_S = 15.0
ERROR_TEXT_MAX = 500
"""Characters of the server's own words that an error repeats."""

LOADER_PERIOD_NS = 60_000_000_000
"""Positions of one such period overwrite each other, so that the series stays short."""

_TIME_MIN_NS, _TIME_MAX_NS = -(2**63) + 2 * MILLISECOND_NS, 2**63 - 2
"""Instants that InfluxDB knows, with room to cut the first one to its millisecond."""

_EXPIRED = "beyond retention policy"
_DEVICE = f'"{TAG}" = $id'

Write = Callable[[bytes], None]


class _UnavailableError(DependencyError):
    """The server cannot be reached or asks to come again later."""


class _ExpiredError(DependencyError):
    """The server dropped points as older than its retention, and took the others."""


class InfluxStore:
    """`TelemetryStore` in an InfluxDB database or bucket that exists; threads may share it.

    Points older than the database's own retention are accepted by nobody: they are counted in
    `expired`, and the rest of their batch is stored.

    Parameters
    ----------
    url
        Address of the server, ``http://127.0.0.1:8086``.
    version
        1 writes to ``/write``; 2 writes by the official client to ``/api/v2/write``.
    bucket
        Bucket, or database on 1.x.
    org, token
        Of 2.x.
    username, password
        Of 1.x; empty = no login.
    """

    def __init__(
        self,
        *,
        url: str,
        version: Literal[1, 2] = 2,
        bucket: str,
        org: str = "",
        token: str = "",
        username: str = "",
        password: str = "",
    ) -> None:
        self._url, self._bucket = url, bucket
        self._http = httpx2.Client(
            base_url=url,
            timeout=REQUEST_TIMEOUT_S,
            headers={"Accept": "application/json"}
            | ({"Authorization": f"Token {token}"} if token else {}),
            auth=(username, password) if username else None,
        )
        self._client: InfluxDBClient | None = None
        self._write: Write = self._write_1
        if version == 2:  # noqa: PLR2004 - the server's major version
            self._client = InfluxDBClient(
                url=url,
                token=token,
                org=org,
                enable_gzip=True,
                timeout=int(REQUEST_TIMEOUT_S * 1_000),
                retries=False,
            )
            self._write = self._write_2
        self._lock = Lock()
        self._position: int | None = None
        self._loader_time_ns = 0
        self._expired = 0

    @property
    def expired(self) -> int:
        """Write requests of which the server dropped points as older than its retention."""
        return self._expired

    def append(self, batches: Sequence[ReadingBatch], position: int) -> None:
        """Store rows behind the recorded position, then record ``position``.

        Raises
        ------
        DependencyError
            If the server could not be reached or refused; rows may be stored then, the position is
            not, and the same call may simply be made again.
        """
        with self._lock:
            recorded = self._read_position()
            if position <= recorded:
                return
            points = itertools.chain.from_iterable(
                lines(batch, storable(batch, recorded)) for batch in batches
            )
            for chunk in _chunks(points, CHUNK_LINES_MAX):
                self._send("\n".join(chunk).encode())
            # A clock set back must not hide the position behind an older, later-dated one.
            now_ns = time.time_ns()
            self._loader_time_ns = max(self._loader_time_ns, now_ns - now_ns % LOADER_PERIOD_NS)
            self._send(loader_line(position, self._loader_time_ns).encode())
            self._position = position

    def position(self) -> int:
        """Journal position up to which everything is stored; 0 for an empty store."""
        known = self._position
        if known is not None:
            # An append holds the lock while it waits for the server; who asks need not.
            return known
        with self._lock:
            return self._read_position()

    def count(self) -> int:
        """Rows stored and not yet dropped, over all kinds. It reads every row's position."""
        found = self._query([f'SELECT count("position") FROM "{measurement(k)}"' for k in Kind])
        return sum(int(record["count"]) for records in found for record in records)

    def latest(self, kind: Kind, equipment_id: str) -> Mapping[str, Latest]:
        """Last reported value of every channel of one device, by newest event time."""
        starts = self._newest_milliseconds(kind, equipment_id)
        found = self._query(
            [
                f'SELECT * FROM "{measurement(kind)}" WHERE {_DEVICE} '
                f"AND time >= {start} AND time < {start + MILLISECOND_NS}"
                for start in starts
            ],
            equipment_id,
        )
        newest = Newest()
        for records in found:
            newest.offer_rows(stored_rows(kind, records))
        return newest.latest()

    def history(
        self, kind: Kind, equipment_id: str, *, start_ns: int, end_ns: int, limit: int = PAGE_LIMIT
    ) -> Sequence[Sample]:
        """Rows of one device with ``start_ns <= event_time_ns < end_ns``, oldest first."""
        start_ns, end_ns = max(start_ns, _TIME_MIN_NS), min(end_ns, _TIME_MAX_NS)
        if limit < 1 or start_ns >= end_ns:
            return []
        select = (
            f'SELECT * FROM "{measurement(kind)}" WHERE {_DEVICE} '
            f'AND "event_time_ns" >= {start_ns} AND "event_time_ns" < {end_ns} AND '
        )
        first_ns, last_ns = _floor(start_ns), _floor(end_ns - 1) + MILLISECOND_NS
        within = f"time >= {first_ns} AND time < {min(last_ns, _TIME_MAX_NS)} "
        [records] = self._query([f"{select}{within} ORDER BY time LIMIT {limit}"], equipment_id)
        if len(records) == limit:
            # Within a millisecond points lie by ordinal and not by event time: fetch all of it.
            start = _floor(records[-1]["time"])
            records = [record for record in records if record["time"] < start]
            within = f"time >= {start} AND time < {start + MILLISECOND_NS}"
            records += self._query([select + within], equipment_id)[0]
        return in_order(stored_rows(kind, records), limit)

    def prune(self, before_ns: int) -> int:
        """Delete rows whose event time lies before an instant; their number is unknown: -1.

        InfluxDB deletes by time alone, so rows that came late go with those of their time.
        """
        self._query([f'DELETE FROM "{measurement(k)}" WHERE time < {before_ns:d}' for k in Kind])
        return -1

    def close(self) -> None:
        """Release connections."""
        self._http.close()
        if self._client is not None:
            self._client.close()  # type: ignore[no-untyped-call]  # the client has no annotation

    def _read_position(self) -> int:
        if self._position is None:
            [records] = self._query([f'SELECT last("position") FROM "{LOADER}"'])
            self._position = int(records[0]["last"]) if records else 0
            self._loader_time_ns = int(records[0]["time"]) if records else 0
        return self._position

    def _newest_milliseconds(self, kind: Kind, equipment_id: str) -> list[int]:
        """Starts of the milliseconds in which some channel of a device was reported last."""
        channels = [channel.name for channel in channel_fields(kind)]
        source = f'FROM "{measurement(kind)}" WHERE {_DEVICE}'
        [extras] = self._query([f"SELECT last(/^{EXTRA_PREFIX}/) {source}"], equipment_id)
        names = [name.removeprefix("last_") for record in extras for name in reported(record)]
        statements = [f"SELECT last({quoted(name)}) {source}" for name in [*channels, *names]]
        statements += [
            f'SELECT last("{UNKNOWN}") {source} AND "{UNKNOWN}" =~ /(^|,){name}(,|$)/'
            for name in channels
        ]
        found = self._query(statements, equipment_id)
        return sorted({_floor(record["time"]) for records in found for record in records})

    def _query(self, statements: Sequence[str], equipment_id: str = "") -> list[list[Record]]:
        """Records of each statement."""
        if not statements:
            return []
        form = {
            "db": self._bucket,
            "q": "; ".join(statements),
            "params": json.dumps({"id": equipment_id}),
            "epoch": "ns",
        }
        for attempt in _attempts():
            with attempt:
                answer = self._post("/query", data=form)
        try:
            return influxql.records(answer.json())
        except ValueError as error:
            raise DependencyError(f"InfluxDB at {self._url} refused: {error}") from error

    def _send(self, body: bytes) -> None:
        try:
            for attempt in _attempts():
                with attempt:
                    self._write(body)
        except _ExpiredError:
            self._expired += 1

    def _write_1(self, body: bytes) -> None:
        self._post(
            "/write",
            params={"db": self._bucket, "precision": "ns"},
            content=gzip.compress(body, compresslevel=1),
            headers={"Content-Encoding": "gzip"},
        )

    def _write_2(self, body: bytes) -> None:
        if self._client is None:
            raise RuntimeError("the store writes to InfluxDB 1.x")
        try:
            with self._client.write_api(write_options=SYNCHRONOUS) as api:
                api.write(bucket=self._bucket, record=body)
        except ApiException as error:
            self._refused(int(error.status or 0), str(error.body or error.reason))
        except HTTPError as error:
            raise _UnavailableError(f"InfluxDB at {self._url} does not answer: {error}") from error

    def _post(self, path: str, **request: Any) -> httpx2.Response:  # noqa: ANN401 - httpx2's own
        try:
            response = self._http.post(path, **request)
        except httpx2.HTTPError as error:
            raise _UnavailableError(f"InfluxDB at {self._url} does not answer: {error}") from error
        if response.status_code >= httpx2.codes.BAD_REQUEST:
            self._refused(response.status_code, response.text)
        return response

    def _refused(self, status: int, text: str) -> NoReturn:
        """Raise what a refusal means to the caller."""
        words = f"InfluxDB at {self._url} answered {status}: {text.strip()[:ERROR_TEXT_MAX]}"
        if status >= httpx2.codes.INTERNAL_SERVER_ERROR or status in _LATER:
            raise _UnavailableError(words)
        raise _ExpiredError(words) if _EXPIRED in text else DependencyError(words)


_LATER = {httpx2.codes.TOO_MANY_REQUESTS, 0}
"""Answers besides 5xx after which the same request may succeed; 0 = none came."""


def _attempts() -> Iterable[stamina.Attempt]:
    return stamina.retry_context(
        on=_UnavailableError, attempts=ATTEMPTS_MAX, timeout=RETRY_TIMEOUT_S, wait_max=5.0
    )


def _chunks(points: Iterable[str], size: int) -> Iterable[list[str]]:
    iterator = iter(points)
    return iter(lambda: list(itertools.islice(iterator, size)), [])


def _floor(time_ns: int) -> int:
    return time_ns // MILLISECOND_NS * MILLISECOND_NS
