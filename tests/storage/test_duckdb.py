import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from time import process_time
from typing import IO

import duckdb
import numpy as np
import pytest

from domain.channels import CHANNELS, ChannelType
from domain.equipment import Kind
from domain.errors import DependencyError
from domain.instants import NS_PER_S
from domain.readings import NO_CODE, ONLINE_UNSAID, ReadingBatch, Stream
from storage import duckdb as module
from storage.duckdb import DuckDBStore
from tests.support.batches import T0_NS, make_batch

ROOT = Path(__file__).parents[2]
ROWS_A_FRAME = 40


def frame(position: int) -> ReadingBatch:
    """The rows of one journal frame, the same each time they are asked for."""
    rows = [
        {
            "id": f"D-{n % 4}",
            "t": T0_NS + position * NS_PER_S + n,
            "v": {"load_kg": float(position), "car_position": str(n), "door_zone": n % 2},
            "extras": {"oil_c": float(n)},
        }
        for n in range(ROWS_A_FRAME)
    ]
    return make_batch(Kind.LIFT, rows, position=position, first_ordinal=position * ROWS_A_FRAME)


def big_batch(position: int, n: int = 5_000) -> ReadingBatch:
    rng = np.random.default_rng(position)
    values = np.round(rng.random((n, len(CHANNELS[Kind.LIFT]))), 2)
    values[rng.random(values.shape) < 0.5] = np.nan
    for column, channel in enumerate(CHANNELS[Kind.LIFT]):
        if channel.type is not ChannelType.NUMBER:
            values[:, column] = np.floor(values[:, column] * 1.9)
    event_time_ns = np.full(n, T0_NS + position * NS_PER_S)
    return ReadingBatch(
        kind=Kind.LIFT,
        ids=tuple(f"lift-{slot:05d}" for slot in range(20_000)),
        device=rng.integers(0, 20_000, n).astype(np.int32),
        event_time_ns=event_time_ns,
        received_at_ns=event_time_ns.copy(),
        position=np.full(n, position),
        ordinal=np.arange(n) + position * n,
        seq=np.arange(n),
        stream=np.full(n, Stream.TELEMETRY, dtype=np.uint8),
        quality=np.zeros(n, dtype=np.uint16),
        values=values,
        unknown=np.zeros(values.shape, dtype=np.bool_),
        code=np.full(n, NO_CODE, dtype=np.int32),
        active=np.zeros(n, dtype=np.int8),
        online=np.full(n, ONLINE_UNSAID, dtype=np.int8),
        vocabulary=("1", "2"),
    )


def append_for_ever(path: str) -> None:
    """Body of the process that the tests kill: append frames, and say when each is committed."""
    store = DuckDBStore(Path(path))
    position = store.position()
    while True:
        position += 1
        store.append([frame(position)], position)
        sys.stdout.write(f"{position}\n")
        sys.stdout.flush()


def appender(path: Path) -> "subprocess.Popen[str]":
    code = (
        "import sys; from tests.storage.test_duckdb import append_for_ever as go; go(sys.argv[1])"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def lines(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def test_a_killed_process_loses_and_doubles_nothing(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.duckdb"
    for kill_after in (1, 3, 8, 20, 35):
        with appender(path) as process:
            said = [int(lines(process.stdout).readline()) for _ in range(kill_after)]
            process.send_signal(signal.SIGKILL)
            said += [int(line) for line in lines(process.stdout) if line.endswith("\n")]
        store = DuckDBStore(path)
        position = store.position()
        assert position >= said[-1]
        for again in range(max(1, position - 3), position + 2):
            store.append([frame(again)], again)
        stored = position + 1
        assert store.position() == stored
        assert store.count() == stored * ROWS_A_FRAME
        whole = store.history(Kind.LIFT, "D-1", start_ns=0, end_ns=2**62, limit=10**6)
        loads = [sample.values["load_kg"] for sample in whole]
        assert loads == [p for p in range(1, stored + 1) for _ in range(ROWS_A_FRAME // 4)]
        assert all("oil_c" in sample.values for sample in whole)
        store.close()


def test_a_file_that_another_process_owns_is_refused_in_clear_words(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.duckdb"
    with appender(path) as process:
        try:
            lines(process.stdout).readline()
            for read_only in (False, True):
                with pytest.raises(DependencyError, match=r"Another process holds .*duckdb"):
                    DuckDBStore(path, read_only=read_only)
        finally:
            process.kill()


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_bytes(os.urandom(20_000))
    with pytest.raises(DependencyError, match="junk"):
        DuckDBStore(junk)
    with pytest.raises(DependencyError, match="absent"):
        DuckDBStore(tmp_path / "absent", read_only=True)
    with pytest.raises(DependencyError, match="cannot be made"):
        DuckDBStore(junk / "below" / "telemetry.duckdb")


def test_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "telemetry.duckdb"
    DuckDBStore(path).close()
    assert path.is_file()


def test_a_file_opened_for_reading_answers_and_takes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.duckdb"
    owner = DuckDBStore(path)
    owner.append([frame(1)], 1)
    owner.close()
    reader = DuckDBStore(path, read_only=True)
    assert (reader.position(), reader.count()) == (1, ROWS_A_FRAME)
    assert reader.latest(Kind.LIFT, "D-1")["load_kg"].value == 1
    with pytest.raises(DependencyError, match="read-only"):
        reader.append([frame(2)], 2)
    reader.close()


def test_a_channel_that_the_catalogue_gained_later_becomes_a_column(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.duckdb"
    store = DuckDBStore(path)
    store.append([make_batch(Kind.LIFT, [{"v": {"load_kg": 1.0, "trips": None}}])], 1)
    store.close()
    with duckdb.connect(path) as old:
        old.execute("ALTER TABLE lift DROP COLUMN cabin_temperature_c")
        old.execute("ALTER TABLE lift DROP COLUMN car_position")
    store = DuckDBStore(path)
    later = {"load_kg": 2.0, "cabin_temperature_c": 21.5, "car_position": "B1"}
    store.append([make_batch(Kind.LIFT, [{"v": later}], position=2, first_ordinal=1)], 2)
    rows = store.history(Kind.LIFT, "D-1", start_ns=0, end_ns=2**62)
    assert sorted((row.values for row in rows), key=len) == [{"load_kg": 1.0, "trips": None}, later]
    store.close()


def test_a_failed_append_leaves_no_trace(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path / "telemetry.duckdb")
    store.append([frame(1)], 1)
    store._connection.execute("ALTER TABLE crane RENAME TO gone")
    crane = make_batch(Kind.CRANE, [{"v": {"radius_m": 1.0}}], position=2)
    with pytest.raises(DependencyError, match="crane"):
        store.append([frame(2), crane], 2)
    store._connection.execute("ALTER TABLE gone RENAME TO crane")
    assert (store.position(), store.count()) == (1, ROWS_A_FRAME)
    store.append([frame(2), crane], 2)
    assert (store.position(), store.count()) == (2, 2 * ROWS_A_FRAME + 1)
    store.close()


def test_readers_see_whole_appends_while_rows_come_in(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path / "telemetry.duckdb")
    ended = Event()
    failures: list[BaseException] = []

    def read(check: Callable[[], None]) -> None:
        try:
            while not ended.is_set():
                check()
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            failures.append(error)

    def counts_whole_frames() -> None:
        assert store.count() % ROWS_A_FRAME == 0

    def latest_never_falls_behind() -> None:
        position = store.position()
        latest = store.latest(Kind.LIFT, "D-1")
        assert position == 0 or latest["load_kg"].value >= position  # type: ignore[operator]  # a number

    def pages_are_in_order() -> None:
        page = store.history(Kind.LIFT, "D-2", start_ns=0, end_ns=2**62)
        times = [sample.event_time_ns for sample in page]
        assert times == sorted(times)

    checks = (counts_whole_frames, latest_never_falls_behind, pages_are_in_order)
    threads = [Thread(target=read, args=(check,)) for check in checks]
    for thread in threads:
        thread.start()
    try:
        for position in range(1, 41):
            store.append([frame(position)], position)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert store.count() == 40 * ROWS_A_FRAME
    store.close()


def test_remembered_devices_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LATEST_DEVICES_MAX", 2)
    store = DuckDBStore(tmp_path / "telemetry.duckdb")
    for position in (1, 2):
        store.append([frame(position)], position)
        for device in ("D-0", "D-1", "D-2", "D-3", "nobody", "D-0"):
            latest = store.latest(Kind.LIFT, device)
            assert device == "nobody" or latest["load_kg"].value == position
            assert len(store._latest) <= 2
    store.close()


def test_many_small_batches_make_one_append(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path / "telemetry.duckdb")
    vessels = [
        make_batch(
            Kind.VESSEL,
            [{"t": T0_NS + n, "v": {"door_closed": n % 2}, "extras": {"a": float(n)}}],
            position=n + 1,
            first_ordinal=n,
        )
        for n in range(50)
    ]
    store.append([*vessels, frame(51)], 51)
    rows = store.history(Kind.VESSEL, "D-1", start_ns=0, end_ns=2**62)
    assert [row.values["a"] for row in rows] == list(range(50))
    assert store.count() == 50 + ROWS_A_FRAME
    store.close()


def test_five_thousand_rows_a_batch_go_in_quickly_and_the_log_stays_bounded(
    tmp_path: Path,
) -> None:
    path = tmp_path / "telemetry.duckdb"
    store = DuckDBStore(path)
    batches = [big_batch(position) for position in range(1, 101)]
    log = path.with_name(path.name + ".wal")
    largest = 0
    began_s = process_time()
    for position, batch in enumerate(batches, start=1):
        store.append([batch], position)
        largest = max(largest, log.stat().st_size if log.exists() else 0)
    rows_per_s = 500_000 / (process_time() - began_s)
    assert store.count() == 500_000
    assert largest < 1.5 * module.CHECKPOINT_BYTES
    # Of processor time, because the machine may be busy; the margin is for slow ones.
    assert rows_per_s > 50_000
    store.close()


def append_to_a_full_disk(path: str) -> None:
    """Body of a process whose files may not grow: append until checkpoints fail, then get room."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    module.CHECKPOINT_BYTES = 100_000
    store = DuckDBStore(Path(path))
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (800_000, hard))
    position, failures = 1, 0
    while failures < 4:
        try:
            store.append([big_batch(position, 500)], position)
            position += 1
        except DependencyError:
            failures += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    for again in range(position, position + 5):
        store.append([big_batch(again, 500)], again)
    sys.stdout.write(f"{store.position()} {store.count()}\n")
    store.close()


def test_a_full_disk_is_over_when_there_is_room_again(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.duckdb"
    code = "import sys; from tests.storage.test_duckdb import append_to_a_full_disk as go; "
    said = subprocess.run(
        [sys.executable, "-c", f"{code} go(sys.argv[1])", str(path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    position, rows = map(int, said.split())
    assert position > 5
    assert rows == position * 500
    store = DuckDBStore(path)
    assert (store.position(), store.count()) == (position, rows)
    store.close()
