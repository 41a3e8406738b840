"""An application over real stores: two firms, a lift each, an incident each, a login per role."""

import hashlib
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pwdlib import PasswordHash

from api.app import create_app
from api.settings import ApiSettings
from dispatch import intake
from domain.accounts import ApiKey, Role, User
from domain.equipment import Equipment, Firm, IdentifierScheme, Kind
from domain.findings import Evidence, Finding, Phase
from domain.incidents import IncidentKind, Level
from domain.instants import from_iso, seconds
from domain.ports import StateStore
from domain.readings import Stream
from domain.refusals import Refusal, RefusalReason
from storage.memory import MemoryStore
from storage.state import open_state_store
from tests.support.batches import make_batch
from tests.support.brokers import eventually

NOW_NS = from_iso("2026-03-05T08:30:00+08:00")
PASSWORD = "correct horse"
ORIGIN = "http://testserver"

OURS = Firm(id="acme", name_zh="安達电梯", name_en="Acme Lifts", phone="021-5550", webhook_secret="s")
THEIRS = Firm(id="zeta", name_en="Zeta Lifts")
LIFT = Equipment(
    id="L1",
    kind=Kind.LIFT,
    identifiers=((IdentifierScheme.RESCUE_CODE, "123456"),),
    name_zh="一号梯",
    name_en="Lift one",
    address="1 Canal Street",
    user_unit="Canal House",
    user_contact="021-1234",
    maintenance_firm="acme",
    report_interval_s=10,
)
FOREIGN_LIFT = Equipment(id="L2", kind=Kind.LIFT, maintenance_firm="zeta")
ORPHAN = Equipment(id="B1", kind=Kind.BOILER)

FIRM_OF_ROLE = {Role.FIRM: "acme"}
HASH = PasswordHash.recommended().hash(PASSWORD)


@dataclass
class World:
    """The application, its stores, and credentials by role."""

    state: StateStore
    telemetry: MemoryStore
    app: FastAPI
    keys: Mapping[Role, str]
    now_ns: int = NOW_NS
    ready: dict[str, bool | str] = field(default_factory=lambda: {"pipeline": True})
    _positions: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @contextmanager
    def client(self, role: Role | None = None) -> Iterator[TestClient]:
        """Client with the API key of a role, or without credentials."""
        headers = {} if role is None else {"Authorization": f"Bearer {self.keys[role]}"}
        with TestClient(self.app, headers=headers, raise_server_exceptions=False) as client:
            yield client

    def raise_incident(
        self,
        equipment_id: str = "L1",
        kind: IncidentKind = IncidentKind.ENTRAPMENT_OFF_LEVEL,
        level: Level = Level.CONFIRMED,
    ) -> str:
        """Let a detector claim something; return the incident's id."""
        finding = Finding(
            detector="lift_entrapment",
            kind=kind,
            equipment_id=equipment_id,
            level=level,
            phase=Phase.RAISED,
            onset_ns=self.now_ns - seconds(120),
            detected_at_ns=self.now_ns,
            position=next(self._positions),
            evidence=(
                Evidence(name="stopped_s", value=120.0, unit="s", log_odds=1.5),
                Evidence(name="door_zone", value=False),
                Evidence(name="gbt24476:04", value=True, log_odds=0.8),
                Evidence(name="passenger_present", value=None),
            ),
        )
        with self.state.writing() as tx:
            (incident,) = intake.take(tx, [finding], tx.registry.fleet())
        return incident.id

    def report(self, age_s: float, **values: float | bool | str | None) -> None:
        """Store a reading of the first lift, sent ``age_s`` ago."""
        position = next(self._positions)
        row = {
            "id": "L1",
            "t": self.now_ns - seconds(age_s),
            "received_at_ns": self.now_ns - seconds(age_s),
            "ordinal": position,
            "stream": Stream.STATUS,
            "v": values,
        }
        batch = make_batch(Kind.LIFT, [row], ids=("L1",), position=position)
        self.telemetry.append([batch], position)

    def refuse(self, payload: bytes) -> None:
        """Put one message into quarantine."""
        refusal = Refusal(
            reason=RefusalReason.NOT_JSON,
            position=next(self._positions),
            index=0,
            item=-1,
            topic="ew/v1/lift/L1/status",
            sender="L1",
            payload=payload,
            received_at_ns=self.now_ns,
            detail="not JSON at byte 0",
        )
        with self.state.writing() as tx:
            tx.quarantine.add([refusal])


@contextmanager
def api_world(
    directory: Path, clock: Callable[[], int] | None = None, **settings: float
) -> Iterator[World]:
    """Build the world on a SQLite file in ``directory``."""
    state, telemetry = open_state_store(f"sqlite:///{directory / 'state.db'}"), MemoryStore()
    keys = {role: f"secret-of-{role}" for role in Role}
    _fill(state, keys)
    worlds: list[World] = []
    app = create_app(
        state=state,
        telemetry=telemetry,
        settings=ApiSettings(session_secret=b"k" * 32, **settings),  # type: ignore[arg-type] # a test names numeric settings
        clock=clock or (lambda: worlds[0].now_ns),
        readiness=lambda: worlds[0].ready,
        gauges=lambda: {"journal_messages": 7.0},
    )
    worlds.append(World(state, telemetry, app, keys, now_ns=clock() if clock else NOW_NS))
    try:
        yield worlds[0]
    finally:
        telemetry.close()
        state.close()


def _fill(state: StateStore, keys: Mapping[Role, str]) -> None:
    with state.writing() as tx:
        tx.registry.put_firm(OURS)
        tx.registry.put_firm(THEIRS)
        tx.registry.put([LIFT, FOREIGN_LIFT, ORPHAN])
        for role, secret in keys.items():
            firm_id = FIRM_OF_ROLE.get(role)
            digest = hashlib.sha256(secret.encode()).hexdigest()
            tx.accounts.put_key(
                ApiKey(name=role, digest=digest, role=role, firm_id=firm_id, created_at_ns=0)
            )
            tx.accounts.put_user(
                User(name=role, password_hash=HASH, role=role, firm_id=firm_id, created_at_ns=0)
            )


@contextmanager
def served(app: FastAPI) -> Iterator[tuple[str, uvicorn.Server]]:
    """Run the application on a free loopback port; yield its address and the server."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert eventually(lambda: server.started, timeout_s=10)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", server
    finally:
        app.state.context.slots.close()
        server.should_exit = True
        thread.join(10)


