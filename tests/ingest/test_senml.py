"""SenML in both encodings: what a pack means, what is refused, and what becomes of it here."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.channels import CHANNELS, COLUMNS
from domain.equipment import Equipment, Kind, build_fleet
from domain.instants import from_iso
from domain.messages import Frame, Message
from domain.readings import Quality, ReadingBatch, Stream
from domain.refusals import RefusalReason
from ingest.decoder import Decoded, Decoder
from ingest.wire import senml_cbor, units
from ingest.wire.catalog import format_of, items_of
from ingest.wire.native import MalformedPayloadError
from ingest.wire.senml import RECORDS_MAX, UNUSABLE, Reading, resolve

NOW = from_iso("2026-05-28T12:00:00Z")
NOW_MS = NOW // 1_000_000
NOW_S = NOW_MS / 1000
SIZE_MAX = 65_536
FLEET = build_fleet(
    1,
    [
        Equipment(id="L1", kind=Kind.LIFT, gateway_id="G1"),
        Equipment(id="L2", kind=Kind.LIFT),
        Equipment(id="B1", kind=Kind.BOILER, gateway_id="G1"),
    ],
)
LIFT = "ew/v1/lift/L1/telemetry"
GATEWAY = "ew/v1/gateway/G1/batch"
CBOR_LABELS = {word: number for number, word in senml_cbor._LABELS.items()}

Record = dict[str, Any]


def as_json(pack: Sequence[Record]) -> bytes:
    return json.dumps(pack).encode()


def as_cbor(pack: Sequence[Record]) -> bytes:
    return cbor2.dumps([{CBOR_LABELS.get(k, k): v for k, v in record.items()} for record in pack])


def items(pack: Sequence[Record], topic: str = LIFT) -> list[Any]:
    """Raw items of a pack; the two encodings must agree."""
    found = items_of(Message(topic, as_json(pack), NOW), SIZE_MAX)
    assert items_of(Message(topic, as_cbor(pack), NOW), SIZE_MAX) == found
    return found


def refused(payload: bytes, topic: str = LIFT) -> RefusalReason:
    with pytest.raises(MalformedPayloadError) as refusal:
        items_of(Message(topic, payload, NOW), SIZE_MAX)
    assert refusal.value.detail
    return refusal.value.reason


def decode(*packs: Sequence[Record], topic: str = LIFT) -> Decoded:
    messages = tuple(Message(topic, as_cbor(pack), NOW) for pack in packs)
    return Decoder(FLEET).decode([Frame(1, NOW, messages)])


def value(batch: ReadingBatch, row: int, channel: str) -> float:
    return float(batch.values[row, COLUMNS[batch.kind][channel]])


# What a pack means.


def test_a_single_reading_is_of_now() -> None:
    pack = [{"n": "urn:dev:ow:10e2073a01080063", "u": "Cel", "v": 23.1}]
    (reading,) = resolve(pack, NOW)
    assert reading == Reading("urn:dev:ow:10e2073a01080063", NOW_MS, "Cel", 23.1)


def test_readings_share_a_base_name() -> None:
    """RFC 8428, section 5.1.2, first example."""
    pack = [
        {"bn": "urn:dev:ow:10e2073a01080063:", "n": "voltage", "u": "V", "v": 120.1},
        {"n": "current", "u": "A", "v": 1.2},
    ]
    assert [(r.name[-8:], r.unit, r.value) for r in resolve(pack, NOW)] == [
        (":voltage", "V", 120.1),
        (":current", "A", 1.2),
    ]


def test_readings_share_a_base_time_and_unit() -> None:
    """RFC 8428, section 5.1.2, second example: the base unit yields to a record's own."""
    first = {"bn": "urn:dev:ow:10e2073a0108006:", "bt": 1.276020076001e09, "bu": "A", "bver": 5}
    pack = [
        {**first, "n": "voltage", "u": "V", "v": 120.1},
        *({"n": "current", "t": t, "v": 1.7 + t / 10} for t in (-5, -4, -3, -2, -1)),
        {"n": "current", "v": 1.7},
    ]
    readings = list(resolve(pack, NOW))
    assert [r.unit for r in readings] == ["V", *"AAAAAA"]
    assert [r.ts_ms - 1_276_020_076_001 for r in readings] == [
        0,
        *(-5000, -4000, -3000, -2000, -1000, 0),
    ]
    assert [r.value for r in readings[1:]] == pytest.approx([1.2, 1.3, 1.4, 1.5, 1.6, 1.7])


def test_values_of_every_type_and_a_sum() -> None:
    """RFC 8428, section 5.1.4, and a record that is a sum alone."""
    pack = [
        {"bn": "urn:dev:ow:10e2073a01080063:", "n": "temp", "u": "Cel", "v": 23.1},
        {"n": "label", "vs": "Machine Room"},
        {"n": "open", "vb": False},
        {"n": "nfc-reader", "vd": "aGkgCg"},
        {"n": "energy", "u": "J", "s": 5.0},
    ]
    assert [r.value for r in resolve(pack, NOW)] == [23.1, "Machine Room", False, UNUSABLE]


def test_a_base_value_is_added_and_base_fields_last_until_the_next() -> None:
    pack = [
        {"bn": "a", "bv": 20, "v": 1},
        {"n": "x", "v": 2},
        {"bn": "b", "bv": 0, "n": "y", "v": 3},
    ]
    assert [(r.name, r.value) for r in resolve(pack, NOW)] == [("a", 21), ("ax", 22), ("by", 3)]


def test_a_time_is_absolute_from_two_to_the_28th() -> None:
    limit = 2**28
    pack = [{"n": "a", "t": t, "v": 1} for t in (-3, 0, 1.5, limit - 1, limit)]
    pack.append({"n": "a", "bt": limit, "t": -1, "v": 1})
    assert [r.ts_ms for r in resolve(pack, NOW)] == [
        NOW_MS - 3000,
        NOW_MS,
        NOW_MS + 1500,
        NOW_MS + (limit - 1) * 1000,
        limit * 1000,
        NOW_MS + (limit - 1) * 1000,
    ]


@dataclass(slots=True)
class Packer:
    """Writes readings as records, with base fields wherever the drawn choices say so."""

    draw: Callable[..., Any]
    bases: Record = field(default_factory=dict)

    def change(self, record: Record, label: str, drawn: st.SearchStrategy[Any]) -> Any:
        if self.draw(st.booleans()):
            self.bases[label] = record[label] = self.draw(drawn)
        return self.bases.get(label, 0)

    def record(self, reading: Reading) -> Record:
        record: Record = {}
        base_s = self.change(record, "bt", st.sampled_from([0, NOW_S, NOW_S - 86_400, 1.5]))
        seconds = reading.ts_ms / 1000 - base_s
        if seconds or self.draw(st.booleans()):
            record["t"] = seconds
        self.name(record, reading.name)
        base_unit = self.change(record, "bu", st.sampled_from(["m/s", "kg"])) or ""
        if base_unit != reading.unit:
            record["u"] = reading.unit
        if isinstance(reading.value, int) and not isinstance(reading.value, bool):
            record["v"] = reading.value - self.change(record, "bv", st.integers(-9, 9))
        else:
            record["vs" if isinstance(reading.value, str) else "vb"] = reading.value
        return dict(self.draw(st.permutations(list(record.items()))))

    def name(self, record: Record, name: str) -> None:
        base = self.bases.get("bn", "")
        if not name.startswith(base) or self.draw(st.booleans()):
            base = name[: self.draw(st.integers(0, len(name)))]
            self.bases["bn"] = record["bn"] = base
        if name != base:
            record["n"] = name.removeprefix(base)


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9\-:./_]{0,12}", fullmatch=True)
VALUES = st.one_of(st.integers(-(2**40), 2**40), st.booleans(), st.text(max_size=5))
TIMES_MS = st.integers(NOW_MS - 10**9, NOW_MS + 10**6)
READINGS = st.builds(Reading, NAMES, TIMES_MS, st.sampled_from(["", "m/s", "kg"]), VALUES)


@settings(deadline=None)
@given(st.data(), st.lists(READINGS, min_size=1, max_size=12))
def test_any_use_of_base_fields_resolves_to_the_same_readings(
    data: st.DataObject, readings: list[Reading]
) -> None:
    packer = Packer(data.draw)
    pack = [packer.record(reading) for reading in readings]
    assert list(resolve(pack, NOW)) == readings
    assert items_or_reason(as_json(pack)) == items_or_reason(as_cbor(pack))


def items_or_reason(payload: bytes) -> object:
    assert format_of(payload).name.startswith("senml")
    try:
        return items_of(Message(LIFT, payload, NOW), SIZE_MAX)
    except MalformedPayloadError as error:
        return error.reason


# What the RFC wants refused.

BROKEN: Mapping[str, Sequence[Any]] = {
    "a version above ours": [{"bver": 11, "n": "a", "v": 1}],
    "a version that is a list": [{"n": "a", "v": 1}, {"n": "a", "v": 1, "bver": []}],
    "a version that is a flag": [{"bver": True, "n": "a", "v": 1}],
    "another version later": [{"n": "a", "v": 1}, {"bver": 5, "n": "b", "v": 1}],
    "a field that must be understood": [{"n": "a", "v": 1}, {"n": "b", "v": 1, "secret_": 1}],
    "no name": [{"u": "m/s", "v": 1}],
    "a name that begins with a slash": [{"n": "/speed", "v": 1}],
    "a name with a blank": [{"n": "speed mps", "v": 1}],
    "a name of Chinese": [{"n": "速度", "v": 1}],
    "a name that is a number": [{"n": 5, "v": 1}],
    "a base name that is null": [{"bn": None, "n": "a", "v": 1}],
    "a time that is a text": [{"n": "a", "t": "now", "v": 1}],
    "a time that is a flag": [{"n": "a", "t": True, "v": 1}],
    "a base value that is a text": [{"bv": "1", "n": "a", "v": 1}],
    "a unit that is a number": [{"n": "a", "u": 5, "v": 1}],
    "a record that is an array": [{"n": "a", "v": 1}, [1]],
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_pack_that_breaks_the_rules_is_refused_whole(name: str) -> None:
    assert refused(json.dumps(BROKEN[name]).encode()) is RefusalReason.NOT_SENML
    relabelled = [
        {CBOR_LABELS.get(k, k): v for k, v in r.items()} if isinstance(r, dict) else r
        for r in BROKEN[name]
    ]
    assert refused(cbor2.dumps(relabelled)) is RefusalReason.NOT_SENML


def test_unknown_fields_are_ignored() -> None:
    assert items([{"n": "trips", "v": 1, "ct": "60", "note": None}]) == [
        {"ts": NOW_MS, "v": {"trips": 1}}
    ]
    unlisted = cbor2.dumps([{0: "trips", 2: 1, 77: "x", -9: 2}])
    (item,) = items_of(Message(LIFT, unlisted, NOW), SIZE_MAX)
    assert item["v"] == {"trips": 1}


@pytest.mark.parametrize("time", [1e300, float("inf"), float("nan"), -1e300, 1e12])
def test_a_time_beyond_all_is_refused(time: float) -> None:
    pack = [{"n": "a", "t": time, "v": 1}]
    assert refused(as_json(pack)) in {RefusalReason.NOT_SENML, RefusalReason.BAD_TIME}
    assert refused(as_cbor(pack)) in {RefusalReason.NOT_SENML, RefusalReason.BAD_TIME}


def test_a_pack_of_nothing_is_refused() -> None:
    assert refused(as_cbor([])) is RefusalReason.NO_CONTENT
    for pack in ([{"bn": "L1/"}], [{"n": "a", "s": 1}]):
        assert refused(as_json(pack)) is refused(as_cbor(pack)) is RefusalReason.NO_CONTENT


def test_limits_hold() -> None:
    record = {"n": "a", "v": 1}
    times = [{"n": "a", "t": -number, "v": 1} for number in range(501)]
    assert len(items(times[:500])) == 500
    assert refused(as_json(times)) is RefusalReason.TOO_MANY_ITEMS
    many = Message(LIFT, as_cbor([record] * (RECORDS_MAX + 1)), NOW)
    with pytest.raises(MalformedPayloadError, match="records"):
        items_of(many, 2**20)
    assert refused(as_cbor([record] * 20_000)) is RefusalReason.TOO_LARGE
    assert refused(as_json([record] * 20_000)) is RefusalReason.TOO_LARGE


# What hostile CBOR is.

HOSTILE = {
    "a list of 2^64 items": "9bffffffffffffffff",
    "a list of 2^28 items": "9a0fffffff",
    "a map of 2^28 pairs": "81ba0fffffff",
    "a text of 2^60 bytes": "817b0fffffffffffffff",
    "bytes of 2^31": "815a7fffffff",
    "nested 30,000 deep": "81" * 30_000,
    "nested 30,000 deep without an end": "9f" * 30_000,
    "unfinished texts within a text": "817f" + "7f" * 1000,
    "a lone break": "81ff",
    "a key without a value": "81bf00ff",
    "the same key twice": "81a3006161020102 02",
    "one label as number and text": "81a3006161616e61620201",
    "a big number": "81a200616102c25a00010000" + "ff" * 65_536,
    "a date": "81a2006161 06c074323031332d30332d32315432303a30343a30305a",
    "a regular expression": "81a2006161 03d8236628612b292b24",
    "a list that holds itself": "81d81c81d81d00",
    "a self-described array": "81d9d9f780",
    "a decimal fraction of three": "81a200616102c483010203",
    "a decimal fraction of texts": "81a200616102c482016130",
    "half a character": "81a2006261ff0201",
    "a reserved head": "811c",
    "two arrays": "8080",
    "an array and rubbish": "81a2006161020100",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_cbor_is_refused_before_it_costs_anything(name: str) -> None:
    payload = bytes.fromhex(HOSTILE[name])
    with pytest.raises(MalformedPayloadError) as refusal:
        items_of(Message(LIFT, payload, NOW), 2**20)
    assert refusal.value.reason in {RefusalReason.NOT_CBOR, RefusalReason.NOT_SENML}


def test_cbor_numbers_of_every_width_and_decimal_fractions() -> None:
    pack = [
        {"n": "speed_mps", "v": Decimal("0.1")},
        {"n": "load_kg", "v": 2**40},
        {"n": "trips", "v": 7.0},
        {"n": "door_cycles", "v": Decimal("1e999999")},
    ]
    (item,) = items_of(Message(LIFT, as_cbor(pack), NOW), SIZE_MAX)
    assert item["v"] == {
        "speed_mps": 0.1,
        "load_kg": 2**40,
        "trips": 7,
        "door_cycles": UNUSABLE,
    }
    indefinite = bytes.fromhex("9fbf00657472697073 02 07 ffff")
    (item,) = items_of(Message(LIFT, indefinite, NOW), SIZE_MAX)
    assert item["v"] == {"trips": 7}


# Which format a payload is of.

FORMATS = {
    b'{"ts": 1, "v": {}}': "native",
    b'[{"ts": 1, "v": {}}]': "native",
    b'[{"v": {"n": 1}}]': "native",
    b'[{"v": 1}]': "native",
    b'[{"code": "04"}, {"n": "a", "v": 1}]': "native",
    b'[{"n": "a", "v": 1, "ts": 5}]': "native",
    b'[{"note": "\\"n\\": 1", "kind": "lift"}]': "native",
    b"[]": "native",
    b"[[]]": "native",
    b"": "native",
    b"\xa1\x00\x01": "native",
    b'[{"n": "a", "v": 1}]': "senml+json",
    b' [ { "v" : 1 , "n" : "a" } ]': "senml+json",
    b'\xef\xbb\xbf[{"bn": "a{\\"}", "v": 1}]': "senml+json",
    b'[{"note": "x", "bt": 5}]': "senml+json",
    b"\x80": "senml+cbor",
    b"\x81\xa0": "senml+cbor",
    b"\x9f\xff": "senml+cbor",
}


@pytest.mark.parametrize("payload", FORMATS)
def test_a_format_is_known_by_its_content(payload: bytes) -> None:
    assert format_of(payload).name == FORMATS[payload]


# What becomes of it here.


def test_a_device_names_its_channels_plainly_by_its_id_or_by_its_urn() -> None:
    expected = [{"ts": NOW_MS, "v": {"door_zone": True}}]
    for name in (
        "door_zone",
        "L1/door_zone",
        "L1:door_zone",
        "lift/L1/door_zone",
        "urn:dev:ops:32473-L1:L1:door_zone",
        "urn:dev:org:32473-L1/L1/door_zone",
    ):
        assert items([{"n": name, "vb": True}]) == expected
    pack: list[Record] = [{"n": "boot", "vs": "b"}, {"bn": "urn:dev:ops:1:L1:", "n": "seq", "v": 1}]
    pack += [{"bn": "L1/", "n": "door_zone", "vb": True}]
    assert items(pack) == [{"ts": NOW_MS, "boot": "b", "seq": 1, "v": {"door_zone": True}}]


def test_another_devices_name_is_refused_and_a_part_of_ones_own_is_no_channel() -> None:
    decoded = decode([{"n": "L2/door_zone", "vb": True}, {"n": "door_zone", "vb": False}])
    assert [refusal.reason for refusal in decoded.refusals] == [RefusalReason.FOREIGN_ID]
    (batch,) = decoded.batches
    assert (len(batch), value(batch, 0, "door_zone")) == (1, 0)
    decoded = decode([{"n": "L1/motor/speed_mps", "v": 9}])
    (batch,) = decoded.batches
    assert np.isnan(value(batch, 0, "speed_mps"))
    assert [(extra.name, extra.value) for extra in batch.extras] == [("L1/motor/speed_mps", 9)]


def test_one_item_a_device_and_time_in_order_with_its_head() -> None:
    pack = [
        {"bn": "L1/", "bt": NOW_S, "n": "boot", "vs": "b7"},
        {"n": "seq", "v": 41.0, "t": -1},
        {"n": "car_position", "vs": "B1", "t": -1},
        {"n": "seq", "v": 42},
        {"n": "car_position", "v": 7},
        {"n": "door_zone", "vb": True, "t": -1},
    ]
    assert items(pack) == [
        {
            "ts": NOW_MS - 1000,
            "boot": "b7",
            "seq": 41,
            "v": {"car_position": "B1", "door_zone": True},
        },
        {"ts": NOW_MS, "boot": "b7", "seq": 42, "v": {"car_position": 7}},
    ]


def test_a_name_said_again_at_the_same_time_is_a_further_item() -> None:
    pack: list[Record] = [{"n": "dialect", "vs": "chongqing"}]
    pack += [{"n": name, "vs": code} for name, code in (("code", "41"), ("code", "93"))]
    pack += [{"n": "active", "vb": False}, {"n": "trips", "v": 1}, {"n": "trips", "v": 2}]
    assert items(pack, "ew/v1/lift/L1/event") == [
        {"ts": NOW_MS, "dialect": "chongqing", "code": "41"},
        {"ts": NOW_MS, "dialect": "chongqing", "code": "93", "active": False, "v": {"trips": 1}},
        {"ts": NOW_MS, "dialect": "chongqing", "v": {"trips": 2}},
    ]


def test_a_gateway_speaks_for_its_devices_and_for_no_other() -> None:
    pack = [
        {"bn": "lift/L1/", "bt": NOW_S, "n": "door_zone", "vb": True},
        {"bn": "lift/L2/", "n": "door_zone", "vb": True},
        {"bn": "boiler/B1/", "bu": "kPa", "n": "steam_pressure_mpa", "v": 850},
        {"bn": "lift/L1/", "bu": "", "t": -1, "n": "code", "vs": "04"},
        {"bn": "boiler/B1/", "t": -1, "n": "online", "vb": True},
        {"bn": "stray", "n": "speed", "v": 1},
    ]
    decoded = decode(pack, topic=GATEWAY)
    assert [refusal.reason for refusal in decoded.refusals] == [
        RefusalReason.FOREIGN_ID,
        RefusalReason.BAD_ITEM,
    ]
    batches = {batch.kind: batch for batch in decoded.batches}
    lift, boiler = batches[Kind.LIFT], batches[Kind.BOILER]
    assert lift.stream.tolist() == [Stream.TELEMETRY, Stream.EVENT]
    assert lift.label(float(lift.code[1])) == "gbt24476:04"
    assert value(boiler, 0, "steam_pressure_mpa") == 0.85
    assert boiler.online.tolist()[1] == 1
    assert decoded.counts.items == 6


def test_what_the_decoder_does_with_a_pack_is_what_it_does_with_native_items() -> None:
    pack = [
        {"bn": "lift/L1/", "bt": NOW_S - 1, "n": "boot", "vs": "b"},
        {"n": "seq", "v": 1},
        {"n": "speed_mps", "u": "m/s", "v": 1.5},
        {"n": "door_closed", "vb": True},
        {"n": "passenger_present", "v": 1},
    ]
    head = {"kind": "lift", "id": "L1", "stream": "telemetry", "ts": NOW_MS - 1000}
    values = {"speed_mps": 1.5, "door_closed": True, "passenger_present": 1}
    native = [{**head, "boot": "b", "seq": 1, "v": values}]
    (said,) = decode(pack, pack, topic=GATEWAY).batches
    frame = Frame(1, NOW, (Message(GATEWAY, json.dumps(native).encode(), NOW),))
    (same,) = Decoder(FLEET).decode([frame]).batches
    assert np.array_equal(said.values, same.values, equal_nan=True)
    assert said.event_time_ns.tolist() == same.event_time_ns.tolist()
    assert (said.seq.tolist(), said.quality.tolist()) == ([1], same.quality.tolist())


@pytest.mark.parametrize("encode", [as_json, as_cbor])
@pytest.mark.parametrize("topic", [LIFT, GATEWAY])
def test_packs_without_a_native_word_are_not_taken_for_native_items(
    encode: Callable[[Sequence[Record]], bytes], topic: str
) -> None:
    pack: list[Record] = [{"bn": "lift/L1/", "n": "door_zone", "vb": True}]
    pack.append({"n": "car_position", "vs": "B1"})
    message = Message(topic, encode(pack), NOW)
    decoded = Decoder(FLEET).decode([Frame(1, NOW, (message,))])
    (batch,) = decoded.batches
    assert (decoded.refusals, decoded.counts.accepted) == ((), 1)
    assert value(batch, 0, "door_zone") == 1
    assert batch.label(value(batch, 0, "car_position")) == "B1"


CONVERTED = [
    ("lift", "cabin_temperature_c", "Cel", 21.5, 21.5),
    ("lift", "cabin_temperature_c", "K", 300, 26.85),
    ("lift", "speed_mps", "km/h", 36, 10),
    ("lift", "running_time_h", "s", 7200, 2),
    ("lift", "load_kg", "t", 0.75, 750),
    ("lift", "door_zone", "/", 1, 1),
    ("boiler", "steam_pressure_mpa", "Pa", 850_000, 0.85),
    ("boiler", "steam_pressure_mpa", "MPa", 0.85, 0.85),
    ("boiler", "steam_pressure_mpa", "", 0.85, 0.85),
    ("boiler", "water_level_mm", "m", -0.05, -50),
    ("crane", "hook_load_t", "kg", 12_500, 12.5),
    ("crane", "sway_deg", "rad", 0.1, 5.729577951308232),
    ("vehicle", "speed_kmh", "m/s", 5, 18),
    ("vehicle", "impact_g", "m/s2", 19.6133, 2),
    ("vehicle", "impact_g", "g", 2, 2),
]


@pytest.mark.parametrize(("kind", "channel", "unit", "said", "meant"), CONVERTED)
def test_a_stated_unit_is_converted(
    kind: str, channel: str, unit: str, said: float, meant: float
) -> None:
    record = {"n": channel, "v": said} | ({"u": unit} if unit else {})
    (item,) = items([record], f"ew/v1/{kind}/X1/telemetry")
    assert item["v"][channel] == pytest.approx(meant, rel=1e-15)


@pytest.mark.parametrize("unit", ["kg", "V", "lat", "MPa "])
def test_a_unit_that_cannot_be_converted_makes_the_value_unknown_and_not_wrong(unit: str) -> None:
    (batch,) = decode([{"n": "speed_mps", "u": unit, "v": 1.5}, {"n": "trips", "v": 3}]).batches
    column = COLUMNS[Kind.LIFT]["speed_mps"]
    assert (batch.unknown[0, column], bool(batch.quality[0] & Quality.BAD_VALUE)) == (True, True)
    assert value(batch, 0, "trips") == 3


def test_every_conversion_leads_to_a_unit_of_a_channel_and_is_documented() -> None:
    own = {channel.unit for channels in CHANNELS.values() for channel in channels}
    assert {target for _, target in units.CONVERSIONS} <= own
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    rows = [f"| `{unit}` | {target or '(none)'} | x" for unit, target in units.CONVERSIONS]
    assert not [row for row in rows if row not in page]


@pytest.mark.parametrize(
    "record",
    [
        {"n": "speed_mps"},
        {"n": "speed_mps", "v": 1, "vs": "1"},
        {"n": "speed_mps", "v": "1.5"},
        {"n": "speed_mps", "v": True},
        {"n": "speed_mps", "vd": "aGkgCg"},
        {"n": "speed_mps", "v": float("nan")},
        {"n": "speed_mps", "v": None},
    ],
)
def test_a_value_that_cannot_be_read_makes_its_channel_unknown(record: Record) -> None:
    decoded = decode([record, {"n": "trips", "v": 3}])
    (batch,) = decoded.batches
    assert batch.unknown[0, COLUMNS[Kind.LIFT]["speed_mps"]]
    assert value(batch, 0, "trips") == 3
    assert decoded.counts.bad_values == ("v" not in record or record["v"] is not None)
