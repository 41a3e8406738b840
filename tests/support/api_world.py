"""A site behind the API: a real SQLite state store, readings in memory, accounts of every role."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn
from fastapi import FastAPI
from pwdlib import PasswordHash
from starlette.testclient import TestClient

from api import candidates
from api.app import create_app
from api.context import Context
from api.settings import ApiSettings
from detectors.bank import Bank
from detectors.crane_duty import DutyReport
from dispatch import intake
from domain.accounts import ApiKey, Role, User
from domain.equipment import Equipment, Firm, IdentifierScheme, Kind, build_fleet
from domain.findings import Evidence, Finding, Phase
from domain.incidents import Incident, IncidentKind, Level
from domain.instants import NS_PER_S, from_iso, seconds
from domain.ports import StateTransaction
from domain.refusals import Refusal, RefusalReason
from domain.shadow import Tally, Totals
from storage.memory import MemoryStore
from storage.state import SqlStateStore
from tests.support.batches import make_batch
from tests.support.states import copied_state, new_state

NOW_NS = from_iso("2026-03-05T08:30:00+08:00")
PASSWORD = "correct horse"
START_S = 10.0

FIRM = Firm(
    id="acme",
    name_en="Acme Lift Service",
    name_zh="安捷电梯维保",
    phone="021-5550100",
    webhook_url="http://127.0.0.1:9/",
    webhook_secret="a shared secret",
)
OTHER_FIRM = Firm(id="boden", name_en="Boden Works", name_zh="博登机电")

LIFT = Equipment(
    id="L1",
    kind=Kind.LIFT,
    identifiers=(
        (IdentifierScheme.RESCUE_CODE, "123456"),
        (IdentifierScheme.REGISTRATION_CODE, "31103101152019010001"),
    ),
    name_zh="运河街一号楼一号梯",
    name_en="1 Canal Street, lift 1",
    address="1 Canal Street",
    area_path="Pudong/Zhangjiang/Canal",
    latitude=31.2,
    longitude=121.5,
    user_unit="Canal Street Property",
    user_contact="Ms Chen 021-5550199",
    maintenance_firm="acme",
)
BOILER = Equipment(
    id="B1",
    kind=Kind.BOILER,
    name_en="Laundry boiler",
    name_zh="洗衣房锅炉",
    address="5 Mill Road",
    maintenance_firm="acme",
    rated_pressure_mpa=1.0,
)
FOREIGN = Equipment(
    id="L9", kind=Kind.LIFT, name_en="Tower lift", address="9 Hill Road", maintenance_firm="boden"
)
CRANE = Equipment(id="C1", kind=Kind.CRANE, name_en="Yard crane", maintenance_firm="boden")
MEMBERS = [LIFT, BOILER, FOREIGN, CRANE]
FLEET = build_fleet(1, MEMBERS)
IDLE = Bank(FLEET).duty("C1")
"""Duty of a crane that has done nothing."""

FIRMS_OF_ROLES: Mapping[Role, str | None] = {
    Role.OPERATOR: None,
    Role.FIRM: "acme",
    Role.ENGINEER: None,
    Role.ADMIN: None,
}


def finding(
    kind: IncidentKind = IncidentKind.ENTRAPMENT_OFF_LEVEL,
    level: Level = Level.CONFIRMED,
    *,
    equipment_id: str = "L1",
    at_ns: int = NOW_NS,
    evidence: tuple[Evidence, ...] = (Evidence(name="gbt24476:04", value=True, log_odds=2.0),),
    late: bool = False,
) -> Finding:
    return Finding(
        detector="lift_entrapment",
        kind=kind,
        equipment_id=equipment_id,
        level=level,
        phase=Phase.RAISED,
        onset_ns=at_ns - seconds(90),
        detected_at_ns=at_ns,
        position=at_ns // 1_000_000 % 1_000_000_000 + 1,
        evidence=evidence,
        late=late,
    )


@dataclass
class Site:
    """Stores, the application over them, and a clock that tests set."""

    state: SqlStateStore
    telemetry: MemoryStore = field(default_factory=MemoryStore)
    now_ns: int = NOW_NS
    is_live: bool = False
    ready: dict[str, bool | str] = field(default_factory=lambda: {"pipeline": True})
    duty: Callable[[str], DutyReport | None] = lambda _: IDLE
    settings: ApiSettings = field(
        default_factory=lambda: ApiSettings(
            session_secret=b"s" * 32, stream_poll_s=0.05, heartbeat_s=0.5
        )
    )

    def clock(self) -> int:
        return time.time_ns() if self.is_live else self.now_ns

    def app(self) -> FastAPI:
        return create_app(
            state=self.state,
            telemetry=self.telemetry,
            settings=self.settings,
            clock=self.clock,
            readiness=lambda: self.ready,
            gauges=lambda: {"pipeline_lag_seconds": 0.5},
            duty=self.duty,
        )

    def client(self, role: Role | None = None) -> TestClient:
        headers = {} if role is None else {"Authorization": f"Bearer key-{role}"}
        return TestClient(self.app(), headers=headers, raise_server_exceptions=False)

    def raise_incident(self, found: Finding | None = None, **values: Any) -> Incident:
        with self.state.writing() as tx:
            [incident] = intake.take(tx, [found or finding(**values)], FLEET)
        return incident

    def candidate(self, name: str = "tight", *, has_run: bool = True) -> str:
        """Start the one candidate of the site."""
        parameters = {"entrapment": {"off_level_hold_s": 10.0}}
        with self.state.writing() as tx:
            for earlier in tx.shadow.candidates():
                tx.shadow.drop(earlier.name)
            candidates.start(
                tx, name, parameters, actor="user:eve", reason="a try", now_ns=self.now_ns
            )
        if has_run:
            self.run_candidate(name)
        return name

    def run_candidate(self, name: str) -> None:
        """Let a candidate have run for a device-day in which nothing was found."""
        kind = IncidentKind.ENTRAPMENT_OFF_LEVEL
        totals = Totals(
            device_ns={Kind.LIFT: seconds(86_400)},
            tallies=(Tally(equipment_kind=Kind.LIFT, kind=kind),),
        )
        with self.state.writing() as tx:
            tx.shadow.put_totals(name, totals)

    def refuse(self) -> int:
        refusal = Refusal(
            reason=RefusalReason.NOT_JSON,
            position=1,
            index=0,
            item=-1,
            topic="ew/v1/lift/L1/status",
            sender="L1",
            payload=b"<script>alert(1)</script>\x00\xff",
            received_at_ns=self.now_ns,
            detail="payload is not JSON at byte 0",
        )
        with self.state.writing() as tx:
            tx.quarantine.add([refusal])
            return tx.quarantine.find()[0].id


@cache
def furnished_database() -> bytes:
    """State database with firms, equipment, a key and a user of every role."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "state.db"
        state = new_state(path)
        with state.writing() as tx:
            tx.registry.put_firm(FIRM)
            tx.registry.put_firm(OTHER_FIRM)
            tx.registry.put(MEMBERS)
            for role in Role:
                add_accounts(tx, role)
        state.close()
        return path.read_bytes()


def add_accounts(tx: StateTransaction, role: Role) -> None:
    """Key ``key-ROLE`` and user ROLE with `PASSWORD`."""
    firm_id = FIRMS_OF_ROLES[role]
    digest = hashlib.sha256(f"key-{role}".encode()).hexdigest()
    tx.accounts.put_key(
        ApiKey(name=role, digest=digest, role=role, firm_id=firm_id, created_at_ns=NOW_NS)
    )
    tx.accounts.put_user(
        User(
            name=role,
            password_hash=PasswordHash.recommended().hash(PASSWORD),
            role=role,
            firm_id=firm_id,
            created_at_ns=NOW_NS,
        )
    )


@contextmanager
def site(directory: Path) -> Iterator[Site]:
    """Site whose state database lies in a directory."""
    state = copied_state(directory / "state.db", furnished_database())
    try:
        yield Site(state)
    finally:
        state.close()


@dataclass(frozen=True)
class Server:
    """The application served over TCP."""

    url: str
    context: Context

    def stop_streams(self) -> None:
        """End event streams and refuse new ones, as a network that breaks does."""
        self.context.slots.closing = True

    def start_streams(self) -> None:
        self.context.slots.closing = False


@contextmanager
def serving(app: FastAPI) -> Iterator[Server]:
    """Serve on a free loopback port until the block ends."""
    config = uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="uvicorn")
    thread.start()
    try:
        deadline = time.monotonic() + START_S
        while not server.started:
            assert thread.is_alive(), "the server ended"
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Server(f"http://127.0.0.1:{port}", app.state.context)
    finally:
        app.state.context.slots.close()
        server.should_exit = True
        thread.join(START_S)
        assert not thread.is_alive(), "the server did not stop"


def lift_readings(site_: Site, around_ns: int, until_s: int = 301) -> None:
    """Put a lift's trip that ends between floors, 90 s before ``around_ns``, into the store."""
    rows: list[dict[str, Any]] = []
    for second in range(-300, until_s, 10):
        moving = -200 <= second < -90
        values: dict[str, Any] = {
            "speed_mps": 1.5 if moving else 0.0,
            "load_kg": 160.0 if second >= -210 else 0.0,
            "passenger_present": second >= -210,
            "door_closed": second >= -205 or second < -215,
            "door_zone": second < -200,
            "car_status": int(moving),
            "service_mode": 1,
            "car_position": "3" if second < -150 else "5",
        }
        rows.append({"id": "L1", "t": around_ns + second * NS_PER_S, "v": values})
    site_.telemetry.append([make_batch(Kind.LIFT, rows)], 1)
