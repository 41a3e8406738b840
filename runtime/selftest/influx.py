"""A real InfluxDB 1.x server of this test's own, to be hung, killed and started again."""

import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from domain.errors import DependencyError
from runtime.selftest.common import Keys, keys_of
from runtime.selftest.service import wait_for
from runtime.serve import free_port
from simulators.load import LoadPlan
from storage.schema import TAG, measurement

DATABASE = "equipwatch"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
QUERY_TIMEOUT_S = 60.0

_HOST = "127.0.0.1"
_CONFIG = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"

[meta]
  dir = "{folder}/meta"

[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false

[http]
  bind-address = "127.0.0.1:{http_port}"
  log-enabled = false

[monitor]
  store-enabled = false

[logging]
  level = "warn"
"""


def influxd_program() -> str | None:
    """Path of the server program, ``None`` when it is not installed."""
    return shutil.which("influxd")


@dataclass(kw_only=True)
class Influx:
    """One server on a port of its own; loopback only, no logins."""

    program: str
    folder: Path
    http_port: int = field(default_factory=lambda: free_port(_HOST))
    rpc_port: int = field(default_factory=lambda: free_port(_HOST))
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Its HTTP address."""
        return f"http://{_HOST}:{self.http_port}"

    def settings(self) -> Mapping[str, str]:
        """Environment that makes it the telemetry store of a service."""
        return {
            "EQUIPWATCH_TELEMETRY__STORE": "influxdb",
            "EQUIPWATCH_TELEMETRY__VERSION": "1",
            "EQUIPWATCH_TELEMETRY__URL": self.url,
            "EQUIPWATCH_TELEMETRY__BUCKET": DATABASE,
        }

    def start(self) -> None:
        """Start it and wait until it answers; make the database when it is new.

        Raises
        ------
        DependencyError
            If it does not answer within `START_TIMEOUT_S`.
        """
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "influxdb.conf"
        ports = {"http_port": self.http_port, "rpc_port": self.rpc_port}
        config.write_text(_CONFIG.format(folder=self.folder, **ports), encoding="utf-8")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.program, "-config", config],
                stdout=log,
                stderr=log,
                # Ctrl-C in a terminal is for us; we end it ourselves.
                start_new_session=True,
            )
        if not wait_for(self._answers, START_TIMEOUT_S):
            raise DependencyError(f"influxd does not answer; see {self.folder / 'log'}")
        self.query(f'CREATE DATABASE "{DATABASE}"')

    def hang(self) -> None:
        """Let it take connections and never answer."""
        self._signal(signal.SIGSTOP)

    def kill(self) -> None:
        """``kill -9``: connections are refused from now on."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def close(self) -> None:
        """End it, in whatever state it is."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def query(self, text: str) -> Sequence[Mapping[str, Any]]:
        """Series of one statement's answer."""
        data = {"q": text, "db": DATABASE, "epoch": "ns"}
        answer = httpx2.post(f"{self.url}/query", data=data, timeout=QUERY_TIMEOUT_S)
        answer.raise_for_status()
        result: Mapping[str, Any] = answer.json()["results"][0]
        if "error" in result:
            raise DependencyError(f"influxd: {result['error']}")
        series: Sequence[Mapping[str, Any]] = result.get("series", ())
        return series

    def stored_keys(self, plan: LoadPlan) -> Keys:
        """Every point of a plan's devices, read past our own store."""
        parts = [np.empty(0, dtype=np.int64)]
        for device, equipment in enumerate(plan.equipment):
            source = f'"{measurement(equipment.kind)}" WHERE "{TAG}" = \'{equipment.id}\''
            for series in self.query(f'SELECT "seq" FROM {source}'):  # noqa: S608 - own ids only
                seq = np.array([row[1] for row in series["values"]], dtype=np.int64)
                parts.append(keys_of(np.full(len(seq), device), seq))
        return np.sort(np.concatenate(parts))

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise DependencyError(f"influxd ended; see {self.folder / 'log'}")
        try:
            return httpx2.get(f"{self.url}/ping", timeout=2).is_success
        except httpx2.HTTPError:
            return False

    def _signal(self, signum: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signum)
