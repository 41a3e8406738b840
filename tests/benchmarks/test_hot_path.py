"""Cost of the hot path, each group against its floor in the same run: read the ratios.

Run with ``make bench``; the suite leaves this folder out, because these machines are noisy.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec
import pytest

from detectors.bank import Bank
from domain.equipment import Equipment, Kind, build_fleet
from domain.instants import NS_PER_S
from domain.messages import Frame, Message
from ingest.decoder import Decoder
from ingest.journal import JournalReader, JournalWriter
from storage.duckdb import DuckDBStore

LIFTS = 1_000
T0 = 1_780_000_000 * NS_PER_S
FLEET = build_fleet(1, [Equipment(id=f"L{n}", kind=Kind.LIFT) for n in range(LIFTS)])


class Benchmark(Protocol):
    """The part of pytest-benchmark's fixture that is used here."""

    def __call__(self, work: Callable[[], object]) -> object:
        """Time ``work``, as often as is needed."""

    def pedantic(self, work: Callable[[], object], *, rounds: int) -> object:
        """Time ``work`` exactly ``rounds`` times."""


def second(number: int) -> Frame:
    """One status message of every lift, as one frame."""
    now_ns = T0 + number * NS_PER_S
    values = {
        "service_mode": 1,
        "car_status": number % 2,
        "car_direction": 0,
        "door_zone": True,
        "car_position": "B1",
        "door_closed": True,
        "passenger_present": False,
        "speed_mps": 0.0,
    }
    item = {"ts": now_ns // 1_000_000, "seq": number, "boot": "b", "v": values}
    payload = json.dumps(item).encode()
    messages = tuple(Message(f"ew/v1/lift/L{n}/status", payload, now_ns) for n in range(LIFTS))
    return Frame(number + 1, now_ns, messages)


FRAMES = [second(number) for number in range(20)]


@pytest.mark.benchmark(group="1,000 lift messages: decode")
def test_floor_bare_json(benchmark: Benchmark) -> None:
    decode = msgspec.json.Decoder().decode
    benchmark(lambda: [decode(message.payload) for message in FRAMES[0].messages])


@pytest.mark.benchmark(group="1,000 lift messages: decode")
def test_decoder(benchmark: Benchmark) -> None:
    decoder, frames = Decoder(FLEET), iter(FRAMES)
    benchmark.pedantic(lambda: decoder.decode([next(frames)]), rounds=len(FRAMES))


@pytest.mark.benchmark(group="1,000 lift messages: behind the decoder")
def test_detectors(benchmark: Benchmark) -> None:
    bank, decoder = Bank(FLEET), Decoder(FLEET)
    seconds = iter([decoder.decode([frame]).batches[0] for frame in FRAMES])
    benchmark.pedantic(lambda: bank.step(next(seconds)), rounds=len(FRAMES))


@pytest.mark.benchmark(group="1,000 lift messages: behind the decoder")
def test_duckdb_append(benchmark: Benchmark, tmp_path: Path) -> None:
    store, decoder = DuckDBStore(tmp_path / "t.duckdb"), Decoder(FLEET)
    work = iter([(decoder.decode([frame]).batches, frame.position) for frame in FRAMES])
    benchmark.pedantic(lambda: store.append(*next(work)), rounds=len(FRAMES))
    store.close()


@pytest.mark.benchmark(group="1,000 lift messages: journal")
def test_journal_append(benchmark: Benchmark, tmp_path: Path) -> None:
    writer, frames = JournalWriter(tmp_path), iter(FRAMES)

    def append() -> None:
        frame = next(frames)
        writer.append(frame.messages, frame.received_at_ns)

    benchmark.pedantic(append, rounds=len(FRAMES))
    writer.close()


@pytest.mark.benchmark(group="1,000 lift messages: journal")
def test_journal_read(benchmark: Benchmark, tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    for frame in FRAMES:
        writer.append(frame.messages, frame.received_at_ns)
    writer.close()
    reader = JournalReader(tmp_path)
    positions = iter(range(len(FRAMES)))
    benchmark.pedantic(lambda: reader.read(next(positions), 1), rounds=len(FRAMES))
    reader.close()
