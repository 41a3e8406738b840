"""The whole service as its own processes, on a directory and free ports of its own."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import httpx2

from domain.accounts import Role
from domain.equipment import Equipment, Firm, Kind
from domain.incidents import Incident
from ingest.broker import load_passwords
from ingest.journal import JournalReader
from runtime.accounts import make_key
from runtime.offline import all_incidents
from runtime.pipeline import CONSUMER
from runtime.serve import PASSWORDS, free_port
from runtime.site import Site
from runtime.supervisor import spawn
from runtime.wiring import using_state
from storage.schema import measurement
from tests.support.brokers import eventually

START_S = 40.0
STOP_S = 40.0


@dataclass(kw_only=True)
class Service:
    """A running service.

    Parameters
    ----------
    broker_kind
        Program that it must start as its broker; empty = its own choice.
    key
        API key of an administrator.
    """

    site: Site
    broker_kind: str
    http_port: int
    mqtt_port: int
    key: str
    environment: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def log(self) -> Path:
        return self.site.root / "service.log"

    @property
    def passwords(self) -> dict[str, str]:
        return load_passwords(self.site.broker / PASSWORDS)

    @property
    def broker_url(self) -> str:
        return f"mqtt://127.0.0.1:{self.mqtt_port}"

    def start(self) -> None:
        ports = ["--http-port", str(self.http_port), "--mqtt-port", str(self.mqtt_port)]
        environment = {"EQUIPWATCH_BROKER__PREFER": self.broker_kind, **self.environment}
        with self.log.open("ab") as log:
            arguments = ["serve", "--data", str(self.site.root), *ports]
            self.process = spawn(arguments, environment, log=log)

    def wait_ready(self) -> None:
        assert eventually(self.ready, START_S), self.tail()

    def ready(self) -> bool:
        try:
            return self.get("/readyz").status_code == httpx2.codes.OK
        except httpx2.HTTPError:
            return False

    def get(self, path: str, **parameters: Any) -> httpx2.Response:
        return httpx2.get(
            f"http://127.0.0.1:{self.http_port}{path}",
            params=parameters,
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=10,
        )

    def child(self, name: str) -> int | None:
        """Process id of a child of the supervisor: ``ingest``, ``core`` or ``broker``."""
        assert self.process is not None
        return children(self.process.pid).get(name)

    def wait_child(self, name: str) -> int:
        """Process id of a child, waiting for the supervisor to start it."""
        assert eventually(lambda: self.child(name) is not None, START_S), self.tail()
        pid = self.child(name)
        assert pid is not None
        return pid

    def recorded(self) -> int:
        """Journal position up to which the pipeline has recorded everything."""
        with using_state(self.site.root) as state, state.reading() as tx:
            return tx.offsets.get(CONSUMER)

    def counters(self) -> Mapping[str, int]:
        with using_state(self.site.root) as state, state.reading() as tx:
            return tx.offsets.counters(CONSUMER)

    def incidents(self) -> tuple[Incident, ...]:
        with using_state(self.site.root) as state:
            return all_incidents(state)

    def drain(self, timeout_s: float = 30.0) -> None:
        """Wait until the pipeline has recorded what the journal holds now."""
        reader = JournalReader(self.site.journal)
        try:
            target = reader.last_position()
        finally:
            reader.close()
        assert eventually(lambda: self.recorded() >= target, timeout_s), self.tail()

    def stop(self) -> int:
        """End the service as an operator does; return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_S)
        log = self.log.read_text(encoding="utf-8", errors="replace")
        assert "child_killed" not in log, self.tail()
        assert "worker_did_not_stop" not in log, self.tail()
        return code

    def kill_all(self) -> None:
        """Clean up whatever a failed test left: the processes of this service only."""
        if self.process is None or self.process.poll() is not None:
            return
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            left = children(self.process.pid).values()
            self.process.kill()
            self.process.wait()
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-30:])


@contextlib.contextmanager
def running_service(
    data: Path,
    equipment: Sequence[Equipment],
    *,
    broker: str = "",
    firms: Sequence[Firm] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """Service that is ready for messages of a registry."""
    with using_state(data) as state:
        with state.writing() as tx:
            tx.registry.put(equipment)
            for firm in firms:
                tx.registry.put_firm(firm)
        key = make_key(state, name="test", role=Role.ADMIN)
    service = Service(
        site=Site(data),
        broker_kind=broker,
        http_port=free_port("127.0.0.1"),
        mqtt_port=free_port("127.0.0.1"),
        key=key,
        environment=environment or {},
    )
    service.start()
    try:
        service.wait_ready()
        yield service
    finally:
        service.kill_all()


def children(parent: int) -> dict[str, int]:
    """Living children of a supervisor by what they are."""
    found = {}
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit():
            continue
        # A process may end while it is looked at.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, ppid = (directory / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(ppid) == parent and state != "Z":
                command = (directory / "cmdline").read_bytes().split(b"\0")
                found[_name(command)] = int(directory.name)
    return found


def _name(command: Sequence[bytes]) -> str:
    if b"ingest" in command:
        return "ingest"
    return "core" if b"pipeline" in command else "broker"


def stored_numbers(site: Site) -> dict[tuple[str, int], int]:
    """How often each (equipment, seq) is stored; the service must have ended."""
    counts: dict[tuple[str, int], int] = {}
    with contextlib.closing(duckdb.connect(str(site.telemetry), read_only=True)) as connection:
        for kind in Kind:
            rows = connection.execute(
                f"SELECT equipment_id, seq, count(*) FROM {measurement(kind)} GROUP BY ALL"
            ).fetchall()
            counts |= {(equipment_id, seq): count for equipment_id, seq, count in rows}
    return counts


def run_cli(*arguments: str, timeout_s: float = 150.0) -> "subprocess.CompletedProcess[str]":
    """Run ``equipwatch`` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "runtime", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
