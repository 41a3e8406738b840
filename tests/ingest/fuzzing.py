"""Seeded broken messages of every wire format, and what must hold of their decoding."""

import copy
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cbor2
import numpy as np

from domain.channels import COLUMNS
from domain.equipment import Equipment, Kind, build_fleet
from domain.instants import NS_PER_MS, from_iso
from domain.messages import Frame, Message
from domain.readings import ReadingBatch
from ingest.decoder import DecodeCounts, Decoded, Decoder
from ingest.wire.senml_cbor import _LABELS

NOW = from_iso("2026-05-28T12:00:00Z")
NOW_MS = NOW // NS_PER_MS
BATCH = 500
"""Messages of one seed: each seed is a decoder's whole life, so that it replays alone."""

_HEALTHY_EVERY = 10
_FRAME = 100
_NUMBERS = 200

HEALTHY = "steady-1"
FLEET = build_fleet(
    1,
    [
        Equipment(id=HEALTHY, kind=Kind.LIFT),
        Equipment(id="L1", kind=Kind.LIFT, gateway_id="G1"),
        Equipment(id="L2", kind=Kind.LIFT, dialect="chongqing"),
        Equipment(id="E1", kind=Kind.ESCALATOR, gateway_id="G1"),
        Equipment(id="B1", kind=Kind.BOILER, gateway_id="G1"),
        Equipment(id="V1", kind=Kind.VEHICLE, gateway_id="G2"),
    ],
)

_STAMP: dict[str, Any] = {"ts": NOW_MS, "seq": 7, "boot": "b"}
_LIFT_VALUES = {"door_zone": True, "speed_mps": 0.5, "car_position": "B1", "service_mode": 1}
_NATIVE: tuple[tuple[str, Any], ...] = (
    ("ew/v1/lift/L1/status", {**_STAMP, "v": _LIFT_VALUES}),
    ("ew/v1/lift/L2/event", {**_STAMP, "code": "93", "dialect": "chongqing", "active": True}),
    ("ew/v1/lift/L1/fault", [{**_STAMP, "codes": ["04", 8]}, {"ts": NOW_MS, "code": 0}]),
    ("ew/v1/lift/L1/alive", {**_STAMP, "online": True}),
    ("ew/v1/boiler/B1/telemetry", [{"ts": NOW_MS, "v": {"steam_pressure_mpa": 0.8}}] * 3),
    (
        "ew/v1/gateway/G1/batch",
        [
            {"kind": "lift", "id": "L1", "stream": "status", **_STAMP, "v": _LIFT_VALUES},
            {"kind": "boiler", "id": "B1", "stream": "telemetry", "ts": "2026-05-28T20:00:00"},
            {"kind": "escalator", "id": "E1", "stream": "fault", "ts": NOW_MS, "code": "61"},
        ],
    ),
)
_SENML: tuple[tuple[str, Any], ...] = (
    (
        "ew/v1/lift/L1/telemetry",
        [
            {"bn": "L1/", "bt": NOW_MS / 1000, "bver": 10, "n": "seq", "v": 7},
            {"n": "boot", "vs": "b"},
            {"n": "speed_mps", "u": "m/s", "v": 0.5, "t": -1},
            {"n": "door_zone", "vb": True},
            {"n": "car_position", "vs": "B1"},
        ],
    ),
    ("ew/v1/lift/L2/event", [{"n": "code", "vs": "93"}, {"n": "active", "vb": False}]),
    ("ew/v1/vehicle/V1/telemetry", [{"n": "V1:speed_kmh", "u": "m/s", "v": 3, "s": 1, "ut": 5}]),
    (
        "ew/v1/gateway/G1/batch",
        [
            {"bn": "boiler/B1/", "bu": "kPa", "bv": 1, "n": "steam_pressure_mpa", "v": 850},
            {"bn": "lift/L1/", "bu": "", "n": "code", "vs": "04"},
            {"bn": "escalator/E1/", "n": "online", "vb": True},
        ],
    ),
)
_WORDS = (
    *("ts", "seq", "boot", "v", "code", "codes", "active", "dialect", "online", "kind", "id"),
    *("stream", "n", "bn", "bt", "bu", "bv", "bs", "bver", "t", "u", "ut", "vs", "vb", "vd", "s"),
    *("L1", "L2", "B1", "lift", "boiler", "status", "alive", "batch", "gateway", "chongqing"),
    *(
        "door_zone",
        "speed_mps",
        "car_position",
        "steam_pressure_mpa",
        "must_",
        "",
        "/",
        "é",
        "速度",
    ),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 5, 10, 26, 255, 32767, 65535, -999.9, 2**28, 2**31, 2**53),
    *(2**63, -(2**63), 10**18, 10**300, 1e308, -1e308, 1e-320, 0.1, float("nan"), float("inf")),
    *(float("-inf"), NOW_MS, NOW_MS / 1000, NOW_MS * 1000, "2026-05-28T12:00:00Z", "9999-12-31"),
    *("\x00", "\n", "0" * 70, "x" * 5000, "\U0001f6d7", "Cel", "m/s", "kPa", [], {}, [[]], [{}]),
    *([None], {"v": {}}, {"v": 1}, {"n": "a", "v": 1}, [1, "a", None]),
)
_BYTES: tuple[bytes, ...] = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\x9f",
    b"\xa1",
    b"\xbf",
    b"\xc4",
    b"\xd8\x1c",
    b'"',
)
_BYTES += (
    b"{",
    b"[",
    b"]",
    b"}",
    b",",
    b":",
    b"\\",
    b"\xf9\x7e\x00",
    b"\x1b" + b"\xff" * 8,
    b"1e999",
)
_TOPIC_WORDS: tuple[str, ...] = (
    "ew",
    "v1",
    "v2",
    "",
    "+",
    "#",
    "$SYS",
    "gateway",
    "batch",
    "lift",
    "crane",
    "G1",
    "G9",
)
_TOPIC_WORDS += ("L1", "L9", "status", "alive", "mood", "é", "\x00", "x" * 200, "ew/v1", " ", "B1")


@dataclass(frozen=True, slots=True)
class Mutator:
    """Draws one broken message after another from a seed."""

    random: random.Random

    def message(self) -> Message:
        """Next message: broken in structure, in bytes, in its topic, in several, or in none."""
        draw = self.random.random
        topic, payload = self._payload()
        if draw() < 0.3:
            payload = self._broken_bytes(payload)
        if draw() < 0.03:
            payload = self.random.randbytes(self.random.randrange(80))
        if draw() < 0.1:
            topic = self._broken_topic(topic)
        received_at_ns = NOW + self.random.randrange(-(10**12), 10**12)
        return Message(topic, payload, received_at_ns, draw() < 0.03)

    def _payload(self) -> tuple[str, bytes]:
        senml = self.random.random() < 0.6
        topic, value = self.random.choice(_SENML if senml else _NATIVE)
        value = copy.deepcopy(value)
        for item in value if isinstance(value, list) else [value]:
            if "seq" in item:
                item["seq"] = self.random.randrange(_NUMBERS)
        for _ in range(self.random.choice((0, 1, 1, 2, 4, 8))):
            value = self._mutated(value, 0)
        if self.random.random() < 0.05:
            topic = self.random.choice((*_NATIVE, *_SENML))[0]
        if senml and self.random.random() < 0.5:
            return topic, self._cbor(value)
        return topic, json.dumps(value, ensure_ascii=self.random.random() < 0.5).encode()

    def _mutated(self, value: Any, depth: int) -> Any:
        """Value with one change somewhere in it."""
        pick = self.random.choice
        if isinstance(value, list | dict) and value and self.random.random() < 0.85:
            key = pick(range(len(value)) if isinstance(value, list) else list(value))
            inside = isinstance(value[key], list | dict) or depth > 1
            if inside and self.random.random() < 0.8:
                value[key] = self._mutated(value[key], depth + 1)
            else:
                self._change(value, key)
            return value
        return pick((pick(_VALUES), [value], {pick(_WORDS): value}, [value] * 3, pick(_WORDS)))

    def _change(self, holder: Any, key: Any) -> None:
        pick = self.random.choice
        match self.random.randrange(5):
            case 0:
                del holder[key]
            case 1:
                holder[key] = copy.deepcopy(pick(_VALUES))
            case 2 if isinstance(holder, dict):
                holder[pick(_WORDS)] = holder.pop(key)
            case 3 if isinstance(holder, dict):
                holder[pick(_WORDS)] = copy.deepcopy(pick(_VALUES))
            case 4 if isinstance(holder, list):
                holder.insert(key, copy.deepcopy(holder[key]))
            case _:
                holder[key] = pick(_WORDS)

    def _cbor(self, value: Any) -> bytes:
        labels = {word: number for number, word in _LABELS.items()}
        if isinstance(value, list) and self.random.random() < 0.95:
            value = [
                {labels.get(word, word): one for word, one in record.items()}
                if isinstance(record, dict)
                else record
                for record in value
            ]
        return cbor2.dumps(value, indefinite_containers=self.random.random() < 0.2)

    def _broken_bytes(self, payload: bytes) -> bytes:
        for _ in range(self.random.choice((1, 1, 1, 3, 9))):
            at = self.random.randrange(len(payload) + 1)
            to = min(len(payload), at + self.random.choice((1, 1, 2, 8, 40)))
            piece = self.random.choice((*_BYTES, self.random.randbytes(1)))
            payload = self.random.choice(
                (
                    payload[:at],
                    payload[:at] + payload[to:],
                    payload[:at] + piece + payload[at:],
                    payload[:at] + piece + payload[to:],
                    payload[:at] + payload[at:to] * 3 + payload[to:],
                )
            )
        return payload

    def _broken_topic(self, topic: str) -> str:
        levels = topic.split("/")
        at = self.random.randrange(len(levels))
        word = self.random.choice(_TOPIC_WORDS)
        return "/".join(
            self.random.choice(
                (
                    [*levels[:at], word, *levels[at + 1 :]],
                    [*levels[:at], word, *levels[at:]],
                    levels[:at],
                    [*levels, word],
                    [word],
                    [level[::-1] for level in levels],
                )
            )
        )


def broken_messages(seed: int, number: int = BATCH) -> list[Message]:
    """Messages of a seed, the same every time."""
    mutator = Mutator(random.Random(seed))
    return [mutator.message() for _ in range(number)]


def check(broken: Sequence[Message]) -> DecodeCounts:
    """Decode messages among those of a healthy device; say what became of them.

    Raises
    ------
    AssertionError
        If a message or item is not counted exactly once, or the healthy device is not heard.
    """
    messages = _among_healthy(broken)
    frames = [
        Frame(1 + first // _FRAME, NOW, tuple(messages[first : first + _FRAME]))
        for first in range(0, len(messages), _FRAME)
    ]
    decoder = Decoder(FLEET)
    total = DecodeCounts()
    steady: list[int] = []
    for frame in frames:
        decoded = decoder.decode([frame])
        _check_counts(frame, decoded)
        for batch in decoded.batches:
            steady += _healthy(batch)
        for name, count in decoded.counts.as_dict().items():
            setattr(total, name, getattr(total, name) + count)
    assert steady == list(range(len(messages) - len(broken))), "the healthy device was not heard"
    Decoder(FLEET).restore(decoder.snapshot())
    return total


def _among_healthy(broken: Sequence[Message]) -> list[Message]:
    messages: list[Message] = []
    for number, message in enumerate(broken):
        if number % _HEALTHY_EVERY == 0:
            seq = number // _HEALTHY_EVERY
            item = {"ts": NOW_MS + seq, "seq": seq, "boot": "b", "v": {"trips": seq}}
            payload = json.dumps(item).encode()
            messages.append(Message(f"ew/v1/lift/{HEALTHY}/status", payload, NOW + seq * NS_PER_MS))
        messages.append(message)
    return messages


def _healthy(batch: ReadingBatch) -> list[int]:
    """Numbers of the healthy device's rows, whose values and times must be what it sent."""
    if batch.kind is not Kind.LIFT:
        return []
    rows = np.flatnonzero(batch.device == FLEET.slots[HEALTHY][1])
    seq = batch.seq[rows]
    assert np.array_equal(batch.values[rows, COLUMNS[Kind.LIFT]["trips"]], seq)
    assert np.array_equal(batch.event_time_ns[rows], NOW + seq * NS_PER_MS)
    return [int(number) for number in seq]


def _check_counts(frame: Frame, decoded: Decoded) -> None:
    counts = decoded.counts
    assert counts.messages == len(frame.messages) == counts.decoded + counts.quarantined
    used = counts.accepted + counts.duplicated + counts.alive
    assert counts.items == used + counts.refused_items
    whole = [refusal for refusal in decoded.refusals if refusal.item < 0]
    parts = [refusal for refusal in decoded.refusals if refusal.item >= 0]
    assert len(parts) == counts.refused_items
    assert len({refusal.index for refusal in whole}) == len(whole) <= counts.quarantined
    assert len({refusal.index for refusal in decoded.refusals}) >= counts.quarantined
    for refusal in decoded.refusals:
        message = frame.messages[refusal.index]
        assert (refusal.topic, refusal.payload) == (message.topic, message.payload)
        assert refusal.detail
    rows = sum(len(batch) for batch in decoded.batches)
    assert rows >= counts.accepted + counts.alive
    for batch in decoded.batches:
        assert all(text.isprintable() for text in batch.vocabulary)
        assert all(extra.name.isprintable() for extra in batch.extras)
