import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.channels import COLUMNS
from domain.equipment import Equipment, Fleet, Kind, build_fleet
from domain.instants import from_iso, seconds
from domain.messages import Frame, Message
from domain.readings import NO_CODE, Quality, ReadingBatch, Stream
from domain.refusals import RefusalReason
from ingest.decoder import DecodeCounts, Decoded, Decoder

NOW = from_iso("2026-05-28T12:00:00Z")
LIFT = "ew/v1/lift/L1"
FLEET = build_fleet(
    1,
    [
        Equipment(id="L1", kind=Kind.LIFT, gateway_id="G1"),
        Equipment(id="L2", kind=Kind.LIFT),
        Equipment(id="B1", kind=Kind.BOILER),
    ],
)


def ms(instant_ns: int) -> int:
    return instant_ns // 1_000_000


def message(
    item: object, topic: str = f"{LIFT}/status", *, at: int = NOW, retain: bool = False
) -> Message:
    payload = item if isinstance(item, bytes) else json.dumps(item).encode()
    return Message(topic, payload, at, retain)


def decode(*messages: Message, decoder: Decoder | None = None, fleet: Fleet = FLEET) -> Decoded:
    return (decoder or Decoder(fleet)).decode([Frame(1, NOW, messages)])


def only(decoded: Decoded) -> ReadingBatch:
    (batch,) = decoded.batches
    return batch


def value(batch: ReadingBatch, row: int, channel: str) -> float:
    return float(batch.values[row, COLUMNS[batch.kind][channel]])


def reasons(decoded: Decoded) -> list[RefusalReason]:
    return [refusal.reason for refusal in decoded.refusals]


GOOD = {"ts": ms(NOW), "seq": 1, "boot": "b", "v": {"door_zone": True}}

REFUSED = {
    "not JSON": (message(b"{door"), RefusalReason.NOT_JSON),
    "empty": (message(b""), RefusalReason.NOT_JSON),
    "wrong topic": (message(GOOD, "ew/v2/lift/L1/status"), RefusalReason.BAD_TOPIC),
    "unknown stream": (message(GOOD, f"{LIFT}/mood"), RefusalReason.BAD_TOPIC),
    "unknown id": (message(GOOD, "ew/v1/lift/L9/status"), RefusalReason.UNKNOWN_EQUIPMENT),
    "wrong kind": (message(GOOD, "ew/v1/crane/L1/status"), RefusalReason.WRONG_KIND),
    "2 MiB": (message(b"[" + b" " * 2 * 1024**2 + b"]"), RefusalReason.TOO_LARGE),
    "nested deep": (message(b"[" * 10_000 + b"]" * 10_000), RefusalReason.TOO_DEEP),
    "invalid UTF-8": (message(b'{"v": {"door_zone": "\xff"}}'), RefusalReason.NOT_UTF8),
    "too many items": (message([GOOD] * 501), RefusalReason.TOO_MANY_ITEMS),
    "empty array": (message([]), RefusalReason.NO_CONTENT),
    "a number": (message(7), RefusalReason.BAD_ITEM),
    "no content": (message({"ts": ms(NOW)}), RefusalReason.NO_CONTENT),
    "alive without online": (message({"ts": ms(NOW)}, f"{LIFT}/alive"), RefusalReason.BAD_ITEM),
    "no code": (message({"ts": ms(NOW)}, f"{LIFT}/fault"), RefusalReason.NO_CONTENT),
    "odd code": (message({"code": {}}, f"{LIFT}/fault"), RefusalReason.BAD_ITEM),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_message_is_refused_with_its_reason_and_the_next_one_is_used(name: str) -> None:
    broken, reason = REFUSED[name]
    decoded = decode(broken, message(GOOD))
    assert reasons(decoded) == [reason]
    (refusal,) = decoded.refusals
    assert (refusal.payload, refusal.topic) == (broken.payload, broken.topic)
    assert refusal.detail
    assert (decoded.counts.decoded, decoded.counts.quarantined) == (1, 1)
    assert value(only(decoded), 0, "door_zone") == 1


@pytest.mark.parametrize(
    "literal", ["NaN", "Infinity", "-Infinity", "1e308", "1e999", "-999.9", "32767", "65535", '"2"']
)
def test_an_unusable_value_makes_that_channel_unknown_and_the_rest_is_used(literal: str) -> None:
    payload = b'{"ts": %d, "v": {"speed_mps": %s, "load_kg": 75}}' % (ms(NOW), literal.encode())
    decoded = decode(message(payload))
    batch = only(decoded)
    assert batch.unknown[0, COLUMNS[Kind.LIFT]["speed_mps"]]
    assert np.isnan(value(batch, 0, "speed_mps"))
    assert value(batch, 0, "load_kg") == 75
    assert batch.quality[0] & Quality.BAD_VALUE
    assert decoded.counts.bad_values == 1


def test_null_is_unknown_and_a_missing_channel_is_not() -> None:
    batch = only(decode(message({"ts": ms(NOW), "v": {"door_zone": None}})))
    assert batch.unknown[0, COLUMNS[Kind.LIFT]["door_zone"]]
    assert not batch.unknown[0, COLUMNS[Kind.LIFT]["door_closed"]]
    assert batch.quality[0] == 0


def test_values_are_read_by_the_channel_s_type() -> None:
    sent = {"door_zone": 1, "door_closed": False, "car_position": 7, "service_mode": 2.0}
    wrong = {"passenger_present": 2, "car_status": 9, "speed_mps": True}
    batch = only(decode(message({"ts": ms(NOW), "v": {**sent, **wrong}})))
    assert value(batch, 0, "door_zone") == 1
    assert value(batch, 0, "door_closed") == 0
    assert batch.label(value(batch, 0, "car_position")) == "7"
    assert value(batch, 0, "service_mode") == 2
    assert all(batch.unknown[0, COLUMNS[Kind.LIFT][name]] for name in wrong)


def test_unknown_channels_are_kept_as_numbers_up_to_a_limit() -> None:
    strangers = {f"x{n}": n for n in range(70)}
    decoded = decode(message({"ts": ms(NOW), "v": {**strangers, "note": "text"}}))
    batch = only(decoded)
    assert len(batch.extras) == 64
    assert batch.extras[3].name == "x3"
    assert batch.quality[0] & Quality.UNKNOWN_CHANNEL
    assert decoded.counts.unknown_channels == 71
    assert decoded.counts.bad_values == 7


@pytest.mark.parametrize(
    ("ts", "flag"),
    [
        (0, Quality.CLOCK_WRONG),
        ("1970-01-01T00:00:05Z", Quality.CLOCK_WRONG),
        ("2100-01-01T00:00:00Z", Quality.CLOCK_WRONG),
        (10**30, Quality.CLOCK_WRONG),
        ("yesterday", Quality.CLOCK_WRONG),
        (None, Quality.CLOCK_WRONG),
        (ms(NOW + seconds(121)), Quality.CLOCK_WRONG),
        (ms(NOW - seconds(300)), Quality.LATE),
    ],
)
def test_a_wrong_time_is_flagged_and_the_item_is_used(ts: object, flag: Quality) -> None:
    batch = only(decode(message({"ts": ts, "v": {"door_zone": True}})))
    assert batch.quality[0] & flag
    if flag is Quality.CLOCK_WRONG:
        assert batch.event_time_ns[0] == NOW


def test_a_time_without_offset_is_shanghai_and_flagged() -> None:
    batch = only(decode(message({"ts": "2026-05-28T20:00:00.5", "v": {}})))
    assert batch.event_time_ns[0] == NOW + seconds(0.5)
    assert batch.quality[0] == Quality.NO_ZONE


def test_a_retained_message_is_history() -> None:
    batch = only(decode(message(GOOD, retain=True)))
    assert batch.quality[0] == Quality.RETAINED | Quality.LATE


def test_duplicates_are_recognised_by_boot_and_seq_then_seq_and_time_then_content() -> None:
    no_boot = {"ts": ms(NOW), "seq": 5, "v": {"door_zone": True}}
    bare = {"ts": ms(NOW), "v": {"door_zone": True}}
    decoded = decode(
        message(GOOD),
        message({**GOOD, "v": {"door_zone": False}}),
        message(no_boot),
        message(no_boot),
        message({**no_boot, "ts": ms(NOW) + 1}),
        message(bare),
        message(bare),
        message(bare, f"{LIFT}/telemetry"),
        message({"v": {"door_zone": True}}),
        message({"v": {"door_zone": True}}),
    )
    assert decoded.counts.duplicated == 3
    assert decoded.counts.accepted == 7


def test_gaps_are_counted_as_lost_until_they_are_filled() -> None:
    decoder = Decoder(FLEET)

    def send(*seqs: int, boot: str = "b") -> DecodeCounts:
        items = [{"ts": ms(NOW), "seq": n, "boot": boot, "v": {}} for n in seqs]
        return decode(*map(message, items), decoder=decoder).counts

    assert send(10, 11, 15).lost == 3
    assert send(13).lost == -1
    assert send(13).duplicated == 1
    assert send(9).lost == 0
    rebooted = send(0, 1, boot="c")
    assert (rebooted.lost, rebooted.accepted) == (0, 2)
    assert send(12, 14).lost == -2


def test_a_new_boot_is_flagged_once() -> None:
    items = [{"ts": ms(NOW), "seq": n, "boot": boot, "v": {}} for n, boot in enumerate("aabb")]
    batch = only(decode(message(items)))
    assert [bool(q & Quality.REBOOTED) for q in batch.quality] == [False, False, True, False]


def test_a_gateway_speaks_only_for_equipment_that_names_it() -> None:
    items = [
        {"kind": "lift", "id": "L1", "stream": "status", **GOOD},
        {"kind": "lift", "id": "L2", "stream": "status", **GOOD},
        {"kind": "lift", "id": "L1", "stream": "mood", **GOOD},
        "text",
    ]
    decoded = decode(message(items, "ew/v1/gateway/G1/batch"))
    assert reasons(decoded) == [
        RefusalReason.FOREIGN_ID,
        RefusalReason.BAD_ITEM,
        RefusalReason.BAD_ITEM,
    ]
    assert [refusal.item for refusal in decoded.refusals] == [1, 2, 3]
    assert len(only(decoded)) == 1
    assert (decoded.counts.decoded, decoded.counts.quarantined) == (1, 0)
    assert decoded.counts.refused_items == 3


def test_codes_become_rows_and_events_set_the_channel_they_mean() -> None:
    def event(**item: Any) -> Message:
        return message({"ts": ms(NOW), **item}, f"{LIFT}/event")

    batch = only(
        decode(
            message({"ts": ms(NOW), "codes": ["04", 7]}, f"{LIFT}/fault"),
            event(code=43),
            event(code="43", active=False),
            event(code="41"),
            event(code="40"),
            event(code="11", dialect="home-grown"),
        )
    )
    keys = [batch.label(float(code)) for code in batch.code]
    assert keys[:2] == ["gbt24476:04", "gbt24476:07"]
    assert keys[-1] == "home-grown:11"
    assert batch.stream[0] == Stream.FAULT
    assert list(batch.active) == [1, 1, 1, 0, 1, 1, 1]
    assert [value(batch, row, "service_mode") for row in (2, 3, 5)] == [2, 1, 1]
    assert [value(batch, row, "mains_power") for row in (4, 5)] == [0, 1]


def test_alive_rows_carry_no_values_and_a_last_will_is_taken_as_of_now() -> None:
    batch = only(
        decode(
            message({"ts": ms(NOW), "seq": 1, "boot": "b", "online": True}, f"{LIFT}/alive"),
            message(
                {"ts": ms(NOW - seconds(9_000)), "seq": 1, "boot": "b", "online": False},
                f"{LIFT}/alive",
            ),
        )
    )
    assert list(batch.online) == [1, 0]
    assert list(batch.code) == [NO_CODE, NO_CODE]
    assert batch.event_time_ns[1] == NOW
    assert batch.quality[1] == 0


def test_a_value_seen_under_a_shared_time_keeps_its_own_row() -> None:
    items = [{"ts": ms(NOW), "seq": n, "boot": "b", "v": {"load_kg": n}} for n in range(3)]
    batch = only(decode(message(items)))
    assert [value(batch, row, "load_kg") for row in range(3)] == [0, 1, 2]
    assert list(batch.ordinal) == [1, 2, 3]


def test_an_array_of_a_wrong_clock_keeps_its_spacing() -> None:
    old = ms(from_iso("1970-01-01T00:00:00Z"))
    items = [{"ts": old + 1_000 * n, "seq": n, "boot": "b", "v": {}} for n in range(3)]
    batch = only(decode(message(items)))
    assert list(batch.event_time_ns - NOW) == [-seconds(2), -seconds(1), 0]


LINES = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"seq": st.integers(0, 6), "boot": st.sampled_from("ab")},
            optional={
                "ts": st.integers(ms(NOW) - 400_000, ms(NOW) + 200_000),
                "v": st.dictionaries(
                    st.sampled_from(["door_zone", "load_kg", "car_position", "odd"]),
                    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=3)),
                ),
                "code": st.sampled_from(["04", 43, "90"]),
            },
        ),
        st.integers(),
    ),
    max_size=12,
)
STREAMS = st.sampled_from(["L1/status", "L2/fault", "L1/alive"])


@given(st.lists(st.tuples(STREAMS, LINES), max_size=8), st.data())
@settings(deadline=None, max_examples=60)
def test_any_split_of_the_frames_gives_the_same_rows(
    sent: list[tuple[str, list[Any]]], data: st.DataObject
) -> None:
    frames = [
        Frame(n + 1, NOW, (message(items, f"ew/v1/lift/{where}", at=NOW + seconds(n)),))
        for n, (where, items) in enumerate(sent)
    ]
    whole = Decoder(FLEET).decode(frames)
    cut = data.draw(st.integers(0, len(frames)))
    first = Decoder(FLEET)
    parts = [first.decode(frames[:cut])]
    second = Decoder(FLEET)
    second.restore(first.snapshot())
    parts.append(second.decode(frames[cut:]))
    assert rows(whole) == rows(*parts)
    assert [r for part in parts for r in part.refusals] == list(whole.refusals)


def rows(*parts: Decoded) -> list[str]:
    return [
        str(
            (
                batch.device[n],
                batch.event_time_ns[n],
                batch.ordinal[n],
                batch.seq[n],
                batch.quality[n],
                batch.values[n].tolist(),
                batch.unknown[n].tolist(),
                batch.code[n],
                batch.online[n],
                [(e.name, e.value) for e in batch.extras if e.row == n],
            )
        )
        for part in parts
        for batch in part.batches
        for n in range(len(batch))
    ]


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=200)
def test_any_bytes_are_used_or_refused_and_counted_once(payload: bytes) -> None:
    decoded = decode(message(payload), message(GOOD))
    counts = decoded.counts
    assert counts.decoded + counts.quarantined == counts.messages == 2
    assert counts.decoded >= 1
    taken = counts.accepted + counts.duplicated + counts.alive + counts.refused_items
    assert taken == counts.items


def test_a_grown_fleet_keeps_what_is_known_of_its_devices() -> None:
    decoder = Decoder(FLEET)
    decode(message(GOOD), decoder=decoder)
    grown = build_fleet(2, [*FLEET.members(Kind.LIFT), Equipment(id="L3", kind=Kind.LIFT)])
    decoder.set_fleet(grown)
    decoded = decode(message(GOOD), message(GOOD, "ew/v1/lift/L3/status"), decoder=decoder)
    assert (decoded.counts.duplicated, decoded.counts.accepted) == (1, 1)
