from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from domain.instants import seconds
from domain.messages import Message
from ingest import service
from ingest.chain import PENDING_MAX, REOPEN_FIRST_NS, Chain, ChainLimits
from ingest.disk import Mark, mark_of, share_of
from ingest.journal import JournalReader, JournalWriteError, JournalWriter
from ingest.service import ServiceEvent, ServiceEventKind

T0 = 1_780_000_000 * 10**9
STATUS = "ew/v1/lift/L1/status"
LIFT = "ew/v1/lift/L1/telemetry"
BOILER = "ew/v1/boiler/B1/telemetry"
LIMITS = ChainLimits(commit_messages=4, commit_messages_max=12)


@dataclass
class Rig:
    """A chain on a real journal, a clock that stands until it is moved, and a broker's view."""

    directory: Path
    now_ns: int = T0
    share: float = 0.0
    mid: int = 0
    acknowledged: list[int] = field(default_factory=list)
    fails: bool = False
    fails_after_commit: bool = False

    def __post_init__(self) -> None:
        self.chain = Chain(
            lambda: Failing(self.directory, self),
            clock=lambda: self.now_ns,
            limits=LIMITS,
            disk_share=lambda: self.share,
        )
        assert self.chain.open()
        self.chain.connected(session_present=False)

    def receive(self, *topics: str) -> None:
        for topic in topics:
            self.mid += 1
            self.chain.receive(topic, b"%d" % self.mid, self.mid, 1, retain=False)

    def commit(self) -> int:
        return self.chain.commit(lambda mid, _: self.acknowledged.append(mid))

    def commit_all(self) -> None:
        while self.commit():
            pass

    def pass_s(self, by_s: float) -> None:
        self.now_ns += seconds(by_s)
        self.chain.tick()

    def messages(self) -> list[Message]:
        reader = JournalReader(self.directory)
        try:
            return [message for frame in reader.read(0, 10_000) for message in frame.messages]
        finally:
            reader.close()

    def events(self) -> list[ServiceEvent]:
        return [service.event_of(m) for m in self.messages() if m.topic == service.TOPIC]


class Failing(JournalWriter):
    """Fails as a full disk does, before or after the frame reached it."""

    def __init__(self, directory: Path, rig: Rig) -> None:
        super().__init__(directory)
        self.rig = rig

    def append(self, messages: Sequence[Message], received_at_ns: int) -> int:
        if self.rig.fails:
            raise JournalWriteError("no space")
        position = super().append(messages, received_at_ns)
        if self.rig.fails_after_commit:
            self.rig.fails_after_commit = False
            raise JournalWriteError("I/O error")
        return position


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.chain.close()


def test_messages_are_acknowledged_in_order_after_their_frame(rig: Rig) -> None:
    rig.receive(*[STATUS] * 6)
    assert rig.acknowledged == []
    assert rig.commit() == 4
    assert rig.acknowledged == [1, 2, 3, 4]
    assert [m.payload for m in rig.messages()] == [b"1", b"2", b"3", b"4"]


def test_acknowledgements_of_a_former_connection_are_void(rig: Rig) -> None:
    rig.receive(STATUS)
    rig.chain.disconnected()
    rig.chain.connected(session_present=True)
    rig.receive(STATUS)
    rig.commit()
    assert rig.acknowledged == [2]
    assert rig.chain.stats()["voided"] == 1


def test_a_frame_that_a_failed_commit_left_in_the_journal_is_not_written_twice(rig: Rig) -> None:
    rig.fails_after_commit = True
    rig.receive(STATUS)
    assert rig.commit() == 0
    assert rig.acknowledged == []
    rig.pass_s(REOPEN_FIRST_NS / 10**9)
    assert rig.commit() == 1
    assert rig.acknowledged == [1]
    assert [m.payload for m in rig.messages()] == [b"1"]


def test_a_journal_that_cannot_be_written_is_tried_again_later_and_later(rig: Rig) -> None:
    rig.fails = True
    rig.receive(STATUS)
    for _ in range(100):
        rig.pass_s(1)
        rig.commit()
    assert 5 <= rig.chain.stats()["journal_failures"] <= 12
    rig.fails = False
    rig.pass_s(15)
    rig.commit()
    assert rig.acknowledged == [1]


def test_a_lost_session_is_said_in_the_journal_with_the_last_instant(rig: Rig) -> None:
    rig.receive(STATUS)
    rig.commit()
    last_ns = rig.now_ns
    rig.chain.disconnected()
    rig.pass_s(60)
    rig.chain.connected(session_present=False)
    rig.commit()
    assert rig.events() == [ServiceEvent(kind=ServiceEventKind.SESSION_LOST, since_ns=last_ns)]


def test_a_first_connection_loses_no_session_and_a_kept_one_neither(rig: Rig) -> None:
    rig.chain.disconnected()
    rig.chain.connected(session_present=True)
    rig.commit()
    assert rig.events() == []


def test_an_ingest_that_starts_anew_notices_that_its_session_is_gone(rig: Rig) -> None:
    rig.receive(STATUS)
    rig.commit()
    rig.chain.close()
    second = Rig(rig.directory)
    second.commit()
    assert [event.kind for event in second.events()] == [ServiceEventKind.SESSION_LOST]
    second.chain.close()


def test_a_changed_count_of_dropped_messages_is_said_once(rig: Rig) -> None:
    for total in (0, 3, 3, 5):
        rig.chain.broker_dropped(total)
    rig.commit_all()
    assert [event.count for event in rig.events()] == [3, 5]


def test_frames_grow_at_the_first_mark(rig: Rig) -> None:
    rig.share = 0.75
    rig.pass_s(1)
    rig.receive(*[STATUS] * 20)
    assert rig.commit() == LIMITS.commit_messages_max


def test_shedding_thins_out_sampled_values_and_counts_what_it_leaves_out(rig: Rig) -> None:
    """A boiler sends a sample a second for half a minute.

    ::

        85 % ├ kept ┤ 9 shed ├ kept ┤ 9 shed ├ kept ┤ 9 shed ┤ below: kept
    """
    rig.share = 0.9
    for _ in range(30):
        rig.pass_s(1)
        rig.receive(BOILER)
        rig.commit()
    rig.share = 0.5
    rig.pass_s(1)
    rig.receive(BOILER)
    rig.commit_all()
    kept = [m for m in rig.messages() if m.topic == BOILER]
    assert len(kept) == 4
    assert rig.chain.stats()["shed"] == 27
    assert rig.acknowledged == list(range(1, 32))


def test_every_shed_message_is_said_in_the_journal(rig: Rig) -> None:
    rig.share = 0.9
    for _ in range(60):
        rig.pass_s(1)
        rig.receive(BOILER, STATUS)
        rig.commit()
    rig.share = 0.5
    rig.pass_s(20)
    rig.receive(STATUS)
    rig.commit_all()
    assert sum(event.count for event in rig.events()) == rig.chain.stats()["shed"] > 0


@pytest.mark.parametrize(
    "topic",
    [STATUS, LIFT, "ew/v1/boiler/B1/fault", "ew/v1/crane/C1/event", "ew/v1/gateway/G1/batch"],
)
def test_nothing_that_may_tell_of_an_entrapment_or_a_fault_is_shed(rig: Rig, topic: str) -> None:
    rig.share = 0.94
    rig.pass_s(1)
    rig.receive(*[topic] * 10)
    rig.commit_all()
    assert len(rig.messages()) == 10


def test_a_used_up_budget_stops_acknowledgements_until_there_is_room(rig: Rig) -> None:
    rig.share = 0.96
    rig.pass_s(1)
    rig.receive(STATUS)
    assert rig.commit() == 0
    rig.share = 0.5
    rig.pass_s(1)
    assert rig.commit() == 1
    assert rig.acknowledged == [1]


def test_what_waits_is_bounded(rig: Rig) -> None:
    rig.receive(*[STATUS] * (PENDING_MAX - 1))
    assert not rig.chain.is_full()
    rig.receive(STATUS)
    assert rig.chain.is_full()
    rig.commit()
    assert not rig.chain.is_full()


def test_marks_begin_at_their_shares() -> None:
    shares = [0.69, 0.70, 0.84, 0.85, 0.94, 0.95, 1.2]
    assert [mark_of(share) for share in shares] == [
        Mark.NORMAL,
        Mark.LARGE_FRAMES,
        Mark.LARGE_FRAMES,
        Mark.SHEDDING,
        Mark.SHEDDING,
        Mark.STOPPED,
        Mark.STOPPED,
    ]


def test_the_share_of_the_budget_is_that_of_the_journal_files(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    assert share_of(tmp_path, 10**9)() < 0.01
    for _ in range(20):
        writer.append([Message(STATUS, b"x" * 50_000, T0)], T0)
    used = sum(path.stat().st_size for path in tmp_path.glob("*.journal*"))
    assert share_of(tmp_path, 4 * used)() == pytest.approx(0.25, rel=0.01)
    writer.close()
