"""InfluxDB 2.x's write address in front of a real 1.x server, so that the official client meets it.

``POST /api/v2/write`` (gzip and token as 2.x asks) becomes ``/write``; ``/query`` passes through
with the same token. Nothing is invented: what the engine refuses, the client is told.
"""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import httpx2


class Gateway(ThreadingHTTPServer):
    """The server; ``failures`` holds status codes to answer instead, one for each next write."""

    daemon_threads = True

    def __init__(self, influxd_url: str, token: str, org: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.influxd = httpx2.Client(base_url=influxd_url, timeout=30)
        self.token = token
        self.org = org
        self.failures: list[int] = []
        self.writes = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Gateway

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Authorization"] != f"Token {self.server.token}":
            self._answer(401, {"code": "unauthorized", "message": "unauthorized access"})
        elif urlsplit(self.path).path == "/api/v2/write":
            self._write(body)
        else:
            self._forward(self.path, body, {"Content-Type": self.headers["Content-Type"]})

    def _write(self, body: bytes) -> None:
        self.server.writes += 1
        if self.server.failures:
            self._answer(self.server.failures.pop(0), {"code": "internal", "message": "later"})
            return
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if query["org"] != self.server.org:
            self._answer(404, {"code": "not found", "message": f"organization {query['org']}"})
            return
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        self._forward(f"/write?db={query['bucket']}&precision={query['precision']}", body, {})

    def _forward(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        answer = self.server.influxd.post(path, content=body, headers=headers)
        if answer.status_code == 204:
            self.send_response(204)
            self.end_headers()
        elif answer.status_code >= 400:
            self._answer(answer.status_code, {"code": "invalid", "message": answer.text})
        else:
            self._answer(answer.status_code, answer.json())

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Keep the test's output clean."""


@contextmanager
def influx_gateway(influxd_url: str, *, token: str, org: str) -> Iterator[Gateway]:
    """Run a gateway for the length of the block."""
    server = Gateway(influxd_url, token, org)
    thread = Thread(target=server.serve_forever, args=(0.02,), name="influx-gateway")
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        server.influxd.close()
