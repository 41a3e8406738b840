import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from dashboards import GENERATED
from dashboards.build import outdated, write
from dashboards.push import push
from domain.errors import DependencyError, UsageError


def test_committed_files_are_what_the_code_makes() -> None:
    assert outdated() == [], "run: make gen"


def test_a_changed_or_missing_file_is_outdated(tmp_path: Path) -> None:
    assert outdated(tmp_path) == ["district.json", "lift.json"]
    write(tmp_path)
    (tmp_path / "lift.json").write_text("{}")
    assert outdated(tmp_path) == ["lift.json"]


class Grafana(BaseHTTPRequestHandler):
    """Receiver of pushed dashboards: keeps what it got."""

    got: list[tuple[str, str | None, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append((self.path, self.headers["Authorization"], body))  # type: ignore[attr-defined]
        denied = self.headers["Authorization"] != "Bearer right"
        self.send_response(401 if denied else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"message": "no"}' if denied else b'{"status": "success"}')

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Keep the test's output clean."""


def test_push_sends_every_dashboard_with_the_token() -> None:
    server = HTTPServer(("127.0.0.1", 0), Grafana)
    server.got = []  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        uids = push(url, "right", GENERATED)
        with pytest.raises(DependencyError, match=r"district\.json"):
            push(url, "wrong", GENERATED)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert uids == ["equipwatch-district", "equipwatch-lift"]
    sent = server.got[:2]  # type: ignore[attr-defined]
    assert [body["dashboard"]["uid"] for _, _, body in sent] == uids
    assert all(body["overwrite"] and path.endswith("/dashboards/db") for path, _, body in sent)


def test_push_refuses_what_is_no_address() -> None:
    with pytest.raises(UsageError, match="not an http"):
        push("grafana:3000", "token", GENERATED)


def test_push_says_when_grafana_is_away() -> None:
    with pytest.raises(DependencyError, match="Grafana at"):
        push("http://127.0.0.1:9", "token", GENERATED)
