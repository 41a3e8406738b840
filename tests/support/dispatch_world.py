"""A small registry, findings about it, and HTTP receivers, for tests of dispatch."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from domain.equipment import Equipment, Firm, Fleet, IdentifierScheme, Kind, build_fleet
from domain.findings import Evidence, Finding, Phase
from domain.incidents import IncidentKind, Level
from domain.instants import NS_PER_S, from_iso
from domain.ports import StateTransaction

NOW_NS = from_iso("2026-03-05T08:30:00+08:00")
SECRET = "a shared secret"
OPERATOR = "user:wang"

FIRM = Firm(id="acme", webhook_url="http://127.0.0.1:9/", webhook_secret=SECRET, mqtt_notify=True)

LIFT = Equipment(
    id="L1",
    kind=Kind.LIFT,
    identifiers=((IdentifierScheme.RESCUE_CODE, "123456"),),
    name_zh="一号梯",
    name_en="Lift one",
    address="1 Canal Street",
    latitude=31.2,
    longitude=121.5,
    maintenance_firm="acme",
)
ORPHAN = Equipment(id="L2", kind=Kind.LIFT, name_en="Lift of nobody")
BOILER = Equipment(id="B1", kind=Kind.BOILER, maintenance_firm="acme")
FLEET: Fleet = build_fleet(1, [LIFT, ORPHAN, BOILER])


def fill_registry(tx: StateTransaction, firm: Firm = FIRM) -> None:
    tx.registry.put_firm(firm)
    tx.registry.put([LIFT, ORPHAN, BOILER])


def finding(
    kind: IncidentKind = IncidentKind.ENTRAPMENT_AT_LEVEL,
    level: Level = Level.SUSPECTED,
    *,
    at_s: float = 0.0,
    onset_s: float | None = None,
    phase: Phase = Phase.RAISED,
    equipment_id: str = "L1",
    late: bool = False,
    detector: str = "lift_entrapment",
) -> Finding:
    """A finding detected at ``at_s`` seconds after `NOW_NS`; its position follows from that."""
    onset = at_s if onset_s is None else onset_s
    return Finding(
        detector=detector,
        kind=kind,
        equipment_id=equipment_id,
        level=level,
        phase=phase,
        onset_ns=NOW_NS + round(onset * NS_PER_S),
        detected_at_ns=NOW_NS + round(at_s * NS_PER_S),
        position=round(at_s * 1_000) + 1,
        late=late,
        evidence=(Evidence(name="stopped_s", value=93.5, unit="s", log_odds=1.2),),
        reason="door_opened_at_level" if phase is Phase.ENDED else "",
    )


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What an HTTP receiver was sent."""

    url: str
    requests: list[Received] = field(default_factory=list)


Answer = Callable[[BaseHTTPRequestHandler], None]


def status(code: int, **headers: str) -> Answer:
    """Answer with a status, and headers whose names have ``_`` for ``-``."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@contextmanager
def receiver(answers: Sequence[Answer] = (status(200),)) -> Iterator[Receiver]:
    """A real HTTP server that answers in turn; the last answer is given from then on."""
    found = Receiver(url="")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = answers[min(len(found.requests), len(answers) - 1)]
            found.requests.append(Received(self.path, dict(self.headers.items()), body))
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that hangs up on a slow or huge answer is what some tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        found.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
