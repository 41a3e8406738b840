import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.instants import NS_PER_S
from domain.messages import Frame, Message
from ingest.journal import (
    READ_FRAMES_MAX,
    JournalCorruptError,
    JournalLockedError,
    JournalReader,
    JournalRewoundError,
    JournalWriteError,
    JournalWriter,
    prune,
)

HOUR_NS = 3_600 * NS_PER_S
ROOT = Path(__file__).parents[2]

APPENDER = """
import itertools, sys
from pathlib import Path
from domain.messages import Message
from ingest.journal import JournalWriter

writer = JournalWriter(Path(sys.argv[1]), segment_s=1)
for n in itertools.count():
    messages = [Message("t", b"%d" % (n * 10 + k), n) for k in range(10)]
    print(writer.append(messages, n * int(sys.argv[2])), flush=True)
"""


def message(text: str = "x", at_ns: int = 1) -> Message:
    return Message("ew/v1/lift/L1/status", text.encode(), at_ns)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[JournalWriter]:
    with contextlib.closing(JournalWriter(tmp_path)) as opened:
        yield opened


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[JournalReader]:
    with contextlib.closing(JournalReader(tmp_path)) as opened:
        yield opened


def read_all(reader: JournalReader, limit_messages: int = 1_000) -> list[Frame]:
    frames: list[Frame] = []
    while more := reader.read(frames[-1].position if frames else 0, limit_messages):
        frames += more
    return frames


messages_strategy = st.lists(
    st.builds(
        Message,
        topic=st.text(max_size=30),
        payload=st.binary(max_size=200),
        received_at_ns=st.integers(0, 2**62),
        retain=st.booleans(),
    ),
    max_size=4,
)


@settings(deadline=None, max_examples=40)
@given(content=st.lists(st.tuples(messages_strategy, st.integers(0, 10 * HOUR_NS)), max_size=8))
def test_everything_comes_back_in_order_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, content: list[tuple[list[Message], int]]
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    with contextlib.closing(JournalWriter(directory, durable=False)) as writer:
        for messages, at_ns in content:
            if messages:
                writer.append(messages, at_ns)
            else:
                writer.tick(at_ns)
    with contextlib.closing(JournalReader(directory)) as reader:
        frames = read_all(reader, limit_messages=1)
        assert reader.counts() == sum(len(messages) for messages, _ in content)
    assert [frame.position for frame in frames] == list(range(1, len(content) + 1))
    assert [(list(f.messages), f.received_at_ns) for f in frames] == content


def test_a_topic_that_is_no_unicode_text_is_kept_replaced(
    writer: JournalWriter, reader: JournalReader
) -> None:
    writer.append([Message("ew/\ud800", b"1", 1)], 1)
    assert reader.read(0, 1)[0].messages == (Message("ew/?", b"1", 1),)


def test_a_read_stops_before_its_limit_but_returns_at_least_one_frame(
    writer: JournalWriter, reader: JournalReader
) -> None:
    for _ in range(4):
        writer.append([message()] * 3, 1)
    assert [len(reader.read(0, limit)) for limit in (1, 3, 5, 6, 100)] == [1, 1, 1, 2, 4]
    assert reader.read(4, 100) == []


def test_a_run_of_ticks_is_read_in_bounded_pieces(tmp_path: Path, reader: JournalReader) -> None:
    with contextlib.closing(JournalWriter(tmp_path, durable=False)) as writer:
        for n in range(READ_FRAMES_MAX + 10):
            writer.tick(n)
    assert len(reader.read(0, 1)) == READ_FRAMES_MAX
    assert len(read_all(reader)) == READ_FRAMES_MAX + 10


def test_a_missing_journal_is_empty(tmp_path: Path) -> None:
    with contextlib.closing(JournalReader(tmp_path / "none")) as reader:
        assert (reader.read(0, 1), reader.last_position(), reader.counts()) == ([], 0, 0)
        assert reader.oldest_position() == 0


def test_a_new_hour_opens_a_segment_and_readers_cross_it(
    tmp_path: Path, writer: JournalWriter, reader: JournalReader
) -> None:
    read = []
    for n in range(6):
        writer.append([message(str(n))], n * HOUR_NS // 2)
        read += reader.read(n, 10)
    assert [int(frame.messages[0].payload) for frame in read] == list(range(6))
    assert len(list(tmp_path.glob("*.journal"))) == 3
    assert len(reader.read(0, 10)) == 6


def test_a_clock_corrected_over_the_hour_opens_no_further_segment(
    tmp_path: Path, writer: JournalWriter
) -> None:
    for at_ns in (HOUR_NS, HOUR_NS - 1, HOUR_NS, HOUR_NS - 1):
        writer.tick(at_ns)
    assert len(list(tmp_path.glob("*.journal"))) == 1


def test_a_full_segment_ends_before_its_hour(tmp_path: Path) -> None:
    with contextlib.closing(JournalWriter(tmp_path, segment_bytes_max=1_000)) as writer:
        for _ in range(3):
            writer.append([message("x" * 1_000)], 1)
    assert len(list(tmp_path.glob("*.journal"))) == 3


def test_a_second_writer_is_refused_until_the_first_ends(
    tmp_path: Path, writer: JournalWriter
) -> None:
    with pytest.raises(JournalLockedError, match=str(os.getpid())):
        JournalWriter(tmp_path)
    writer.close()
    JournalWriter(tmp_path).close()


def test_a_new_writer_goes_on_at_the_next_position(tmp_path: Path, reader: JournalReader) -> None:
    for n in range(3):
        with contextlib.closing(JournalWriter(tmp_path)) as writer:
            assert writer.append([message(), message()], n * HOUR_NS) == n + 1
            assert writer.messages == 2 * n + 2
    assert reader.counts() == 6


@pytest.mark.parametrize("step_ns", [1, NS_PER_S // 20])
def test_what_was_reported_committed_survives_a_killed_writer(
    tmp_path: Path, reader: JournalReader, step_ns: int
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", APPENDER, str(tmp_path), str(step_ns)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert child.stdout is not None
    live: list[Frame] = []
    try:
        while len(live) < 200:
            live += reader.read(live[-1].position if live else 0, 100)
    finally:
        os.kill(child.pid, signal.SIGKILL)
    reported = int(child.stdout.read().split(b"\n")[-2])
    child.stdout.close()
    child.wait()
    assert [frame.position for frame in live] == list(range(1, len(live) + 1))
    with contextlib.closing(JournalWriter(tmp_path, segment_s=1)) as writer:
        assert writer.last_position >= reported >= 200
        assert writer.append([message("after")], 10**15) == writer.last_position
    payloads = [int(m.payload) for f in read_all(reader)[:-1] for m in f.messages]
    assert payloads == list(range(len(payloads)))


def damage(directory: Path, statement: str) -> None:
    segment = next(directory.glob("*.journal"))
    with contextlib.closing(sqlite3.connect(segment, isolation_level=None)) as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE frame SET body = CAST(REPLACE(body, 'x', 'y') AS BLOB) WHERE position = 2",
        "UPDATE frame SET received_at_ns = 7 WHERE position = 2",
        "UPDATE frame SET first_message = 99 WHERE position = 2",
        "DELETE FROM frame WHERE position = 2",
    ],
)
def test_a_damaged_frame_is_named_after_the_sound_ones_before_it(
    tmp_path: Path, writer: JournalWriter, reader: JournalReader, statement: str
) -> None:
    for _ in range(3):
        writer.append([message()], 1)
    damage(tmp_path, statement)
    assert len(reader.read(0, 10)) == 1
    with pytest.raises(JournalCorruptError) as raised:
        reader.read(1, 10)
    assert raised.value.position == 2
    assert len(reader.read(2, 10)) == 1


def test_a_journal_that_was_replaced_is_noticed(
    writer: JournalWriter, reader: JournalReader
) -> None:
    writer.tick(1)
    with pytest.raises(JournalRewoundError, match="ends at 1"):
        reader.read(5, 10)


def hours(writer: JournalWriter, number: int) -> None:
    """Two frames an hour: positions 1-2, 3-4, 5-6 ..."""
    for hour in range(number):
        writer.append([message("x" * 10_000)], hour * HOUR_NS)
        writer.tick(hour * HOUR_NS + 1)


@pytest.mark.parametrize(
    ("before_ns", "max_bytes", "passed_position", "oldest_left"),
    [
        pytest.param(2 * HOUR_NS, 10**9, 10, 5, id="older than the limit"),
        pytest.param(2 * HOUR_NS, 10**9, 3, 3, id="but not what a consumer still needs"),
        pytest.param(0, 10**9, 10, 1, id="nothing when young and small"),
        pytest.param(0, 0, 10, 9, id="all but the newest when too large"),
        pytest.param(0, 0, 5, 5, id="too large, yet needed"),
        pytest.param(10**18, 10**9, 10, 9, id="never the newest"),
    ],
)
def test_pruning_takes_whole_passed_segments_oldest_first(
    tmp_path: Path,
    writer: JournalWriter,
    reader: JournalReader,
    before_ns: int,
    max_bytes: int,
    passed_position: int,
    oldest_left: int,
) -> None:
    hours(writer, 5)
    pruned = prune(
        tmp_path, before_ns=before_ns, max_bytes=max_bytes, passed_position=passed_position
    )
    assert reader.oldest_position() == oldest_left
    assert pruned.frames == oldest_left - 1
    assert len(pruned.segments) == (oldest_left - 1) // 2
    assert [frame.position for frame in read_all(reader)] == list(range(oldest_left, 11))
    assert reader.counts() == 5


def test_a_pruned_journal_still_counts_what_it_had(tmp_path: Path, reader: JournalReader) -> None:
    with contextlib.closing(JournalWriter(tmp_path)) as writer:
        hours(writer, 3)
    prune(tmp_path, before_ns=10**18, max_bytes=0, passed_position=6)
    with contextlib.closing(JournalWriter(tmp_path)) as writer:
        assert writer.append([message()], 2 * HOUR_NS) == 7
    assert reader.counts() == 4
    assert len(list(tmp_path.glob("*.journal"))) == 1


def test_a_failed_commit_refuses_further_frames(tmp_path: Path, writer: JournalWriter) -> None:
    writer.tick(1)
    damage(tmp_path, "DROP TABLE frame")
    with pytest.raises(JournalWriteError):
        writer.append([message()], 2)
    with pytest.raises(JournalWriteError, match="former commit failed"):
        writer.tick(3)
    assert writer.last_position == 1


def test_an_empty_frame_is_refused(writer: JournalWriter) -> None:
    with pytest.raises(ValueError, match="tick"):
        writer.append([], 1)
