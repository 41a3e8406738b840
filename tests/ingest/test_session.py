import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from domain.errors import DependencyError, UsageError
from domain.messages import Message
from ingest import service
from ingest.broker import INGEST_USER, BrokerProcess, logins_for, start_broker
from ingest.journal import JournalReader, JournalWriteError, JournalWriter
from ingest.service import ServiceEvent, ServiceEventKind
from ingest.session import Ingest, SessionSettings
from tests.support import brokers
from tests.support.brokers import connect, disconnect, eventually, publish

pytestmark = pytest.mark.broker

TOPIC = "ew/v1/lift/L1/status"
LOST_CLIENT = """
import sys, threading, time
from pathlib import Path
from ingest.journal import JournalWriter
from ingest.session import Ingest, SessionSettings

url, username, password, client_id, directory, stall_after = sys.argv[1:]

class Stalling(JournalWriter):
    '''Commits some messages and then hangs, so that further ones stay unacknowledged.'''
    def append(self, messages, received_at_ns):
        if self.messages >= int(stall_after):
            print("stalled", flush=True)
            time.sleep(60)
        return super().append(messages, received_at_ns)

settings = SessionSettings(url=url, username=username, password=password, client_id=client_id)
Ingest(settings, lambda: Stalling(Path(directory))).run(threading.Event())
"""


@dataclass
class Bench:
    broker: BrokerProcess
    passwords: dict[str, str]
    directory: Path

    def settings(self) -> SessionSettings:
        return SessionSettings(
            url=self.broker.url,
            username=INGEST_USER,
            password=self.passwords[INGEST_USER],
            client_id="ingest-secret",
        )

    def journalled(self) -> list[Message]:
        reader = JournalReader(self.directory)
        try:
            position, found = 0, list[Message]()
            while frames := reader.read(position, 10_000):
                position = frames[-1].position
                found += [message for frame in frames for message in frame.messages]
            return found
        finally:
            reader.close()

    @contextlib.contextmanager
    def ingesting(self, writer: type[JournalWriter] = JournalWriter) -> Iterator[Ingest]:
        ingest = Ingest(self.settings(), lambda: writer(self.directory))
        stop = threading.Event()
        thread = threading.Thread(target=ingest.run, args=(stop,))
        thread.start()
        try:
            assert eventually(lambda: bool(ingest.stats()["connected"]))
            yield ingest
        finally:
            stop.set()
            thread.join(15)


@pytest.fixture(params=brokers.BROKERS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if reason := brokers.missing(request.param):
        pytest.skip(reason)
    with brokers.running(tmp_path / "broker", request.param) as (broker, passwords):
        yield Bench(broker, passwords, tmp_path / "journal")


def test_messages_are_journalled_in_order_and_acknowledged(bench: Bench) -> None:
    with bench.ingesting() as ingest:
        device = connect(bench.broker.url, "L1", bench.passwords["L1"])
        for n in range(300):
            device.publish(TOPIC, b"%d" % n, qos=1)
        assert eventually(lambda: ingest.stats()["acknowledged"] >= 300)
        assert ingest.unacknowledged() == 0
        disconnect(device)
    messages = bench.journalled()
    assert [int(message.payload) for message in messages] == list(range(300))
    assert {message.topic for message in messages} == {TOPIC}


def test_poison_payloads_are_journalled_and_acknowledged_like_any_other(bench: Bench) -> None:
    poison = [b"", b"\xff\xfe", b"x" * 2 * 1024**2, b"[" * 10_000]
    with bench.ingesting() as ingest:
        device = connect(bench.broker.url, "L1", bench.passwords["L1"])
        for payload in [*poison, b"good"]:
            assert publish(device, TOPIC, payload)
        assert eventually(lambda: ingest.stats()["acknowledged"] >= 5)
        disconnect(device)
    assert [message.payload for message in bench.journalled()] == [*poison, b"good"]


def test_a_full_disk_acknowledges_nothing_and_goes_on_once_there_is_space(bench: Bench) -> None:
    space = threading.Event()

    class Full(JournalWriter):
        def append(self, messages: Sequence[Message], received_at_ns: int) -> int:
            if not space.is_set():
                raise JournalWriteError("no space")
            return super().append(messages, received_at_ns)

    with bench.ingesting(Full) as ingest:
        device = connect(bench.broker.url, "L1", bench.passwords["L1"])
        assert publish(device, TOPIC, b"1")
        assert eventually(lambda: ingest.stats()["journal_failures"] >= 2)
        assert ingest.stats()["acknowledged"] == 0
        space.set()
        assert eventually(lambda: ingest.stats()["acknowledged"] == 1)
        disconnect(device)
    assert [message.payload for message in bench.journalled()] == [b"1"]


def test_a_killed_ingest_loses_nothing_that_was_in_flight(bench: Bench) -> None:
    arguments = [bench.broker.url, INGEST_USER, bench.passwords[INGEST_USER], "ingest-secret"]
    child = subprocess.Popen(
        [sys.executable, "-c", LOST_CLIENT, *arguments, str(bench.directory), "100"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    try:
        wait_for_subscription(bench)
        device = connect(bench.broker.url, "L1", bench.passwords["L1"])
        for n in range(1_000):
            device.publish(TOPIC, b"%d" % n, qos=1)
        while child.stdout.readline() != b"stalled\n":
            assert child.poll() is None
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    in_flight = 1_000 - len({message.payload for message in bench.journalled()} & numbers(1_000))
    sys.stdout.write(f"killed with {in_flight} of 1,000 messages unacknowledged\n")
    assert in_flight > 0
    with bench.ingesting():
        assert eventually(lambda: {m.payload for m in bench.journalled()} >= numbers(1_000))
    disconnect(device)


def wait_for_subscription(bench: Bench) -> None:
    """Wait until the child's session exists, or what is published before it is nobody's."""
    probe = connect(bench.broker.url, "L2", bench.passwords["L2"])

    def seen() -> bool:
        publish(probe, "ew/v1/lift/L2/status", b"probe")
        return any(message.payload == b"probe" for message in bench.journalled())

    assert eventually(seen)
    disconnect(probe)


def numbers(n: int) -> set[bytes]:
    return {b"%d" % k for k in range(n)}


def test_a_broker_that_restarts_voids_acknowledgements_and_loses_nothing(bench: Bench) -> None:
    """The broker goes while messages wait for their commit.

    ::

        publish ──► broker ──► ingest (commit held) ──► broker restarts ──► commit ──► redelivery
    """
    release = threading.Event()

    class Held(JournalWriter):
        def append(self, messages: Sequence[Message], received_at_ns: int) -> int:
            release.wait(30)
            return super().append(messages, received_at_ns)

    with bench.ingesting(Held) as ingest:
        device = connect(bench.broker.url, "L1", bench.passwords["L1"])
        for n in range(20):
            assert publish(device, TOPIC, b"%d" % n)
        disconnect(device)
        assert eventually(lambda: ingest.unacknowledged() == 20)
        host, port = bench.broker.url.removeprefix("mqtt://").split(":")
        bench.broker.stop()
        assert eventually(lambda: not ingest.stats()["connected"])
        release.set()
        assert eventually(lambda: ingest.stats()["voided"] == 20)
        restarted = start_broker(
            bench.broker.directory,
            logins_for(brokers.FLEET, brokers.FIRMS, bench.passwords),
            host=host,
            port=int(port),
            prefer=bench.broker.kind,
        )
        try:
            assert eventually(lambda: ingest.stats()["acknowledged"] == 20, 30)
        finally:
            restarted.stop()
    assert [int(m.payload) for m in bench.journalled()] == [*range(20), *range(20)]


def test_a_refused_login_ends_the_process_instead_of_waiting(bench: Bench) -> None:
    settings = replace(bench.settings(), password="wrong")
    with pytest.raises(DependencyError, match="refused"):
        Ingest(settings, lambda: JournalWriter(bench.directory)).run(threading.Event())


def test_what_came_while_ingest_was_away_is_delivered_later(bench: Bench) -> None:
    with bench.ingesting():
        pass
    device = connect(bench.broker.url, "L1", bench.passwords["L1"])
    for n in range(2_000):
        device.publish(TOPIC, b"%d" % n, qos=1)
    assert publish(device, TOPIC, b"2000")
    disconnect(device)
    with bench.ingesting() as ingest:
        assert eventually(lambda: ingest.stats()["acknowledged"] >= 2_001)
        assert ingest.stats()["sessions_lost"] == 0
    assert [int(m.payload) for m in bench.journalled()] == list(range(2_001))


def test_a_session_that_the_broker_forgot_is_said_in_the_journal(bench: Bench) -> None:
    """Somebody with our login and id begins a clean session while we are away."""
    with bench.ingesting() as ingest:
        device = connect(bench.broker.url, "L1", bench.passwords["L1"])
        assert publish(device, TOPIC, b"1")
        assert eventually(lambda: ingest.stats()["acknowledged"] == 1)
        disconnect(device)
    password = bench.passwords[INGEST_USER]
    thief = connect(bench.broker.url, INGEST_USER, password, client_id="ingest-secret")
    disconnect(thief)
    with bench.ingesting() as ingest:
        assert eventually(lambda: ingest.stats()["journalled"] >= 1)
    [event] = events(bench.journalled())
    assert event.kind is ServiceEventKind.SESSION_LOST


def test_what_mosquitto_had_to_drop_while_we_were_away_is_said_in_the_journal(
    tmp_path: Path,
) -> None:
    if reason := brokers.missing("mosquitto"):
        pytest.skip(reason)
    limited = brokers.running(tmp_path / "broker", "mosquitto", queued_bytes_max=10_000)
    with limited as (broker, passwords):
        bench = Bench(broker, passwords, tmp_path / "journal")
        with bench.ingesting():
            pass
        device = connect(broker.url, "L1", passwords["L1"])
        for _ in range(50):
            assert publish(device, TOPIC, b"x" * 1_000)
        disconnect(device)
        with bench.ingesting():
            assert eventually(lambda: bool(events(bench.journalled())), 30)
        messages = bench.journalled()
    arrived = sum(message.topic == TOPIC for message in messages)
    assert {event.kind for event in events(messages)} == {ServiceEventKind.BROKER_DROPPED}
    assert events(messages)[-1].count == 50 - arrived > 0


def events(messages: Sequence[Message]) -> list[ServiceEvent]:
    return [service.event_of(message) for message in messages if message.topic == service.TOPIC]


def test_ticks_go_on_while_there_is_no_broker(tmp_path: Path) -> None:
    instants = iter(range(0, 10**12, 500_000_000))
    settings = SessionSettings(
        url="mqtt://127.0.0.1:1", client_id="x", commit_interval_s=0.001, commit_messages=1
    )
    stop = threading.Event()
    ingest = Ingest(settings, lambda: JournalWriter(tmp_path), clock=lambda: next(instants))
    thread = threading.Thread(target=ingest.run, args=(stop,))
    thread.start()
    reader = JournalReader(tmp_path)
    assert eventually(lambda: reader.last_position() >= 5)
    stop.set()
    thread.join(15)
    frames = reader.read(0, 10)
    reader.close()
    assert [frame.received_at_ns // 10**9 for frame in frames[:5]] == list(range(5))


def test_ticks_are_journalled_without_any_message(bench: Bench) -> None:
    with bench.ingesting():
        reader = JournalReader(bench.directory)
        assert eventually(lambda: reader.last_position() >= 2)
        frames = reader.read(0, 10)
        reader.close()
    assert all(not frame.messages for frame in frames)


def test_a_receive_window_that_would_stall_is_refused(tmp_path: Path) -> None:
    settings = SessionSettings(
        url="mqtt://x", client_id="x", commit_messages=500, receive_maximum=600
    )
    with pytest.raises(UsageError, match="receive_maximum"):
        Ingest(settings, lambda: JournalWriter(tmp_path))


def test_the_client_id_and_password_stay_out_of_texts() -> None:
    settings = SessionSettings(url="mqtt://x", client_id="c", password="very-secret")
    assert "very-secret" not in repr(settings) + json.dumps({"s": str(settings)})
