"""What hostile, broken or unlucky devices send: used by the contract or refused, never fatal."""

import json
from typing import Any

import numpy as np
import pytest

from domain.channels import COLUMNS
from domain.equipment import Equipment, Kind, build_fleet
from domain.instants import from_iso, seconds
from domain.messages import Frame, Message
from domain.readings import Quality, ReadingBatch
from domain.refusals import RefusalReason
from ingest import topics
from ingest.decoder import Decoded, Decoder

NOW = from_iso("2026-05-28T12:00:00Z")
NOW_MS = NOW // 1_000_000
LIFT = "ew/v1/lift/L1"
FLEET = build_fleet(
    1,
    [
        Equipment(id="L1", kind=Kind.LIFT, gateway_id="G1"),
        Equipment(id="L2", kind=Kind.LIFT),
        Equipment(id="B1", kind=Kind.BOILER, gateway_id="G1"),
    ],
)
GOOD = {"ts": NOW_MS, "v": {"door_zone": True}}


def message(
    item: object, topic: str = f"{LIFT}/status", *, at: int = NOW, retain: bool = False
) -> Message:
    payload = item if isinstance(item, bytes) else json.dumps(item).encode()
    return Message(topic, payload, at, retain)


def decode(*messages: Message, decoder: Decoder | None = None) -> Decoded:
    """Decode, and prove that the state survives a snapshot afterwards."""
    decoder = decoder or Decoder(FLEET)
    decoded = decoder.decode([Frame(1, NOW, messages)])
    decoder.restore(decoder.snapshot())
    return decoded


def awake(decoder: Decoder, until_ns: int, *, for_s: float) -> None:
    """Let the journal tick up to an instant: we were there all the time."""
    first_ns = until_ns - seconds(for_s)
    decoder.decode([Frame(1, at_ns) for at_ns in range(first_ns, until_ns, seconds(1))])


def only(decoded: Decoded) -> ReadingBatch:
    (batch,) = decoded.batches
    return batch


def value(batch: ReadingBatch, row: int, channel: str) -> float:
    return float(batch.values[row, COLUMNS[batch.kind][channel]])


def reasons(decoded: Decoded) -> list[RefusalReason]:
    return [refusal.reason for refusal in decoded.refusals]


def nested(depth: int) -> bytes:
    return b'{"v": {"door_zone": ' + b"[" * depth + b"]" * depth + b"}}"


SURVIVED = {
    "integer of 31 digits": b'{"ts": %d, "v": {"load_kg": 1%s}}' % (NOW_MS, b"0" * 30),
    "integer of 400 digits": b'{"ts": %d, "v": {"load_kg": 1%s}}' % (NOW_MS, b"0" * 400),
    "integer of 5,000 digits": b'{"ts": %d, "v": {"load_kg": 1%s}}' % (NOW_MS, b"0" * 5_000),
    "label of 5,000 digits": b'{"ts": %d, "v": {"car_position": 1%s}}' % (NOW_MS, b"0" * 5_000),
    "stranger of 400 digits": b'{"ts": %d, "v": {"odd": 1%s}}' % (NOW_MS, b"0" * 400),
    "seq of 400 digits": b'{"ts": %d, "seq": 1%s, "v": {}}' % (NOW_MS, b"0" * 400),
    "boot of 400 digits": b'{"ts": %d, "seq": 1, "boot": 1%s, "v": {}}' % (NOW_MS, b"0" * 400),
    "code of 400 digits": b'{"ts": %d, "code": 1%s, "v": {}}' % (NOW_MS, b"0" * 400),
    "nested 7": nested(7),
    "nested 300": nested(300),
    "nested 900": nested(900),
    "nested 50,000 in an array": b"[" + nested(10_000) + b"]",
    "many open quotes": b'{"v": ' + b'[]"\\' * 10_000,
    "year 9999": b'{"ts": "9999-12-31T23:59:59Z", "seq": 1, "boot": "b", "v": {}}',
    "year 2263": b'{"ts": "2263-01-01T00:00:00Z", "seq": 1, "boot": "b", "v": {}}',
    "year 1": b'{"ts": "0001-01-01T00:00:00+14:00", "seq": 1, "boot": "b", "v": {}}',
    "ts beyond all": b'{"ts": -1%s, "v": {}}' % (b"0" * 400),
    "ts 1e300": b'{"ts": 1e300, "v": {}}',
    "ts infinite": b'{"ts": Infinity, "v": {}}',
    "ts an object": b'{"ts": {}, "seq": [], "boot": {}, "v": {}}',
    "seq 2**53": b'{"ts": %d, "seq": 9007199254740992, "boot": "b", "v": {}}' % NOW_MS,
    "half a surrogate pair as a label": b'{"ts": %d, "v": {"car_position": "\\ud800"}}' % NOW_MS,
    "half a surrogate pair as a boot": b'{"seq": 1, "boot": "\\udc00", "v": {}}',
    "half a surrogate pair as a name": b'{"v": {"\\udc00": 1}}',
    "half a surrogate pair as a code": b'{"code": "\\udc00", "v": {}}',
    "line feed in a name": b'{"v": {"a\\nb": 1}}',
    "NUL in a label": b'{"v": {"car_position": "\\u0000"}}',
    "NUL in a code": b'{"code": "\\u0000", "v": {}}',
    "NUL in a dialect": b'{"code": "04", "dialect": "\\u0000"}',
    "UTF-16": '{"v": {}}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"v": {}}',
    "two documents": b'{"v": {}} {"v": {}}',
    "null": b"null",
    "true": b"true",
    "items of every type": b'[null, 1, "x", [], {}, {"v": 1}, {"v": []}, {"v": null}]',
    "duplicate keys": b'{"v": {"load_kg": 1, "load_kg": 2}, "v": {"load_kg": 3}}',
}


@pytest.mark.parametrize("retain", [False, True])
@pytest.mark.parametrize("stream", ["status", "fault", "alive"])
@pytest.mark.parametrize("name", SURVIVED)
def test_nothing_that_a_device_sends_stops_the_stream(name: str, stream: str, retain: bool) -> None:
    decoded = decode(
        message(SURVIVED[name], f"{LIFT}/{stream}", retain=retain),
        message(GOOD, "ew/v1/lift/L2/status"),
    )
    counts = decoded.counts
    assert counts.decoded + counts.quarantined == counts.messages == 2
    batch = only(decoded)
    assert batch.ids[batch.device[-1]] == "L2"
    assert all(abs(int(t) - NOW) < seconds(300) for t in batch.event_time_ns)
    for text in (*batch.vocabulary, *(extra.name for extra in batch.extras)):
        assert text.isprintable()


@pytest.mark.parametrize(("depth", "reason"), [(6, []), (7, [RefusalReason.TOO_DEEP])])
def test_nesting_has_one_limit_whatever_the_parser(depth: int, reason: list[RefusalReason]) -> None:
    assert reasons(decode(message(nested(depth)))) == reason
    odd = nested(depth).replace(b'"v": {', b'"v": {"load_kg": NaN, ')
    assert reasons(decode(message(odd))) == reason


def test_brackets_in_texts_are_no_nesting() -> None:
    payload = b'{"v": {"car_position": "[[[[[[[[[[", "load_kg": NaN}}'
    assert reasons(decode(message(payload))) == []


@pytest.mark.parametrize(
    "topic",
    [
        f"{LIFT}/mood",
        "ew/v1/robot/R1/status",
        "ew/v1/gateway/G1/status",
        "ew/v1/lift//status",
        "ew/v1/lift/L 1/status",
        f"{LIFT}/status/x",
        f"/{LIFT}/status",
        "x/v1/lift/L1/status",
        "ew/v1/notify/F1",
        "",
        "/" * 60_000,
    ],
)
def test_a_topic_outside_the_grammar_is_refused(topic: str) -> None:
    (refusal,) = decode(message(GOOD, topic)).refusals
    assert (refusal.reason, refusal.topic) == (RefusalReason.BAD_TOPIC, topic)


def test_topics_that_are_too_long_are_not_remembered() -> None:
    before = topics._parse.cache_info().currsize
    assert topics.parse("ew/v1/lift/" + "L" * 60_000 + "/status") is None
    assert topics.parse("ew/v1/lift/" + "L" * 65 + "/status") is None
    after = topics._parse.cache_info().currsize
    assert after - before <= 1


def test_a_body_that_names_another_device_is_foreign() -> None:
    decoded = decode(
        message({**GOOD, "id": "L2"}),
        message({**GOOD, "kind": "boiler"}),
        message({**GOOD, "id": "L1", "kind": "lift"}),
    )
    assert reasons(decoded) == [RefusalReason.FOREIGN_ID, RefusalReason.WRONG_KIND]
    assert decoded.counts.accepted == 1


def test_a_gateway_that_names_an_unknown_device_is_a_security_event() -> None:
    def item(kind: str, equipment_id: str) -> dict[str, Any]:
        return {"kind": kind, "id": equipment_id, "stream": "status", **GOOD}

    batch = [item("lift", "L9"), item("boiler", "L2"), item("boiler", "L1"), item("lift", "L1")]
    decoded = decode(message(batch, "ew/v1/gateway/G1/batch"))
    assert reasons(decoded) == [
        RefusalReason.FOREIGN_ID,
        RefusalReason.FOREIGN_ID,
        RefusalReason.WRONG_KIND,
    ]
    assert decoded.counts.accepted == 1


def test_a_code_that_is_unusable_does_not_hide_its_neighbours() -> None:
    decoded = decode(
        message({"ts": NOW_MS, "codes": [None, "90", {}, 4.0]}, f"{LIFT}/fault"),
        message({"ts": NOW_MS, "code": None, "v": {"door_zone": True}}),
        message({"ts": NOW_MS, "code": "90", "active": None}, f"{LIFT}/event"),
        message({"ts": NOW_MS, "code": "90", "dialect": 5}, f"{LIFT}/event"),
        message({"ts": NOW_MS, "code": "90", "v": "none"}, f"{LIFT}/event"),
    )
    batch = only(decoded)
    keys = [batch.label(float(code)) for code in batch.code]
    assert keys == ["gbt24476:90", "gbt24476:04", None, *["gbt24476:90"] * 3]
    assert list(batch.active) == [1] * 6
    assert batch.quality[0] & Quality.BAD_VALUE
    assert not reasons(decoded)


def test_what_an_item_says_itself_wins_over_what_its_code_means() -> None:
    batch = only(
        decode(
            message(
                {"ts": NOW_MS, "code": 43, "v": {"service_mode": 1, "load_kg": 5}}, f"{LIFT}/event"
            ),
            message({"ts": NOW_MS, "code": 43, "v": {"service_mode": None}}, f"{LIFT}/event"),
        )
    )
    assert value(batch, 0, "service_mode") == 1
    assert np.isnan(value(batch, 1, "service_mode"))


def test_an_array_without_numbers_that_is_sent_twice_is_taken_once() -> None:
    items = [{"ts": NOW_MS - 60_000 + n, "v": {"load_kg": n}} for n in range(500)]
    decoded = decode(message(items), message(items))
    assert (decoded.counts.accepted, decoded.counts.duplicated) == (500, 500)


def test_a_long_buffer_behind_a_live_item_is_taken_whole() -> None:
    """A terminal reconnects after hours: first its sign of life, then what it had buffered."""
    decoder = Decoder(FLEET)

    def send(*seqs: int) -> Decoded:
        items = [{"ts": NOW_MS - 1_000, "seq": n, "boot": "b", "v": {}} for n in seqs]
        return decode(*map(message, items), decoder=decoder)

    assert send(1, 20_000).counts.lost == 19_998
    filled = send(*range(2, 20_000)).counts
    assert (filled.accepted, filled.duplicated, filled.lost) == (19_998, 0, -19_998)
    assert send(*range(1, 20_001, 7)).counts.accepted == 0


def test_a_device_that_counts_in_twos_costs_bounded_memory() -> None:
    decoder = Decoder(FLEET)
    items = [{"ts": NOW_MS, "seq": 2 * n, "boot": "b", "v": {}} for n in range(20_000)]
    counts = decode(*map(message, items), decoder=decoder).counts
    assert (counts.accepted, counts.lost) == (20_000, 19_999)
    assert len(decoder.snapshot()) < 20_000


def test_a_number_that_jumps_absurdly_is_a_new_start_and_no_loss() -> None:
    decoder = Decoder(FLEET)

    def send(*seqs: int) -> Decoded:
        items = [{"ts": NOW_MS, "seq": n, "boot": "b", "v": {}} for n in seqs]
        return decode(*map(message, items), decoder=decoder)

    assert send(1, 2, 2**52, 2**52 + 1).counts.lost == 0
    assert send(1, 2, 2**52).counts.duplicated == 3
    again = send(3, 2**52 + 2).counts
    assert (again.accepted, again.lost) == (2, 0)


def test_numbers_without_a_boot_count_no_loss() -> None:
    items: list[dict[str, Any]] = [
        {"ts": NOW_MS + n, "seq": n, "v": {}} for n in (5, 90, 0, 1, 4_000)
    ]
    assert decode(*map(message, items)).counts.lost == 0


def test_a_restarted_counter_without_boot_and_clock_is_no_duplicate() -> None:
    decoded = decode(
        message({"seq": 0, "v": {"door_zone": True}}),
        message({"seq": 0, "v": {"door_zone": True}}),
        message({"seq": 0, "v": {"door_zone": False}}),
    )
    assert (decoded.counts.accepted, decoded.counts.duplicated) == (2, 1)


def test_a_retained_message_counts_no_loss_and_is_taken_once() -> None:
    decoder = Decoder(FLEET)
    old = {"ts": NOW_MS - 9_000_000, "seq": 1, "boot": "b", "online": True}
    alive = f"{LIFT}/alive"
    first = decode(
        message(old, alive, retain=True),
        message({**GOOD, "seq": 5_000, "boot": "b"}),
        message(old, alive, retain=True),
        decoder=decoder,
    ).counts
    assert (first.lost, first.duplicated, first.alive) == (0, 1, 1)


@pytest.mark.parametrize("ts", ["2100-01-01T00:00:00Z", "1970-01-01T00:00:00Z", 0, None])
def test_a_retained_message_with_an_impossible_time_is_taken_as_of_now(ts: object) -> None:
    decoder = Decoder(FLEET)
    decoded = decode(
        message({"ts": ts, "v": {"door_zone": True}}, retain=True),
        message({**GOOD, "v": {"door_zone": False}}),
        decoder=decoder,
    )
    batch = only(decoded)
    assert list(batch.event_time_ns) == [NOW, NOW]
    assert batch.quality[0] == Quality.RETAINED | Quality.LATE | Quality.CLOCK_WRONG
    assert batch.quality[1] == 0


def test_a_refused_item_is_not_lost() -> None:
    items: list[dict[str, Any]] = [{"ts": NOW_MS, "seq": n, "boot": "b", "v": {}} for n in range(3)]
    del items[1]["v"]
    counts = decode(message(items)).counts
    assert (counts.accepted, counts.refused_items, counts.lost) == (2, 1, 0)


def test_buffered_items_of_the_last_boot_are_no_reboot() -> None:
    def item(seq: int, boot: str) -> Message:
        return message({"ts": NOW_MS, "seq": seq, "boot": boot, "v": {}})

    sent = [item(1, "a"), item(1, "b"), item(2, "a"), item(2, "b"), item(3, "a"), item(1, "c")]
    batch = only(decode(*sent))
    flagged = [bool(quality & Quality.REBOOTED) for quality in batch.quality]
    assert flagged == [False, True, False, False, False, True]


def test_a_date_without_a_time_of_day_is_no_time() -> None:
    batch = only(decode(message({"ts": "2026-05-28", "v": {}})))
    assert batch.quality[0] == Quality.CLOCK_WRONG
    assert batch.event_time_ns[0] == NOW


@pytest.mark.parametrize("lag_s", [300, 8 * 3_600])
@pytest.mark.parametrize("sizes", [[10] * 6, [60, 12, 60, 30, 45, 60]])
def test_arrays_of_a_slow_clock_are_judged_wrong(lag_s: int, sizes: list[int]) -> None:
    """Once a minute an array whose newest sample is lag_s old; the older ones trail by 1 s each."""
    decoder = Decoder(FLEET)
    wrong = []
    for minute, size in enumerate(sizes):
        at = NOW + seconds(60 * minute)
        awake(decoder, at, for_s=60)
        ts_ms = (at - seconds(lag_s)) // 1_000_000
        items: list[dict[str, Any]] = [
            {"ts": ts_ms - 1_000 * k, "v": {"load_kg": k}} for k in reversed(range(size))
        ]
        batch = only(decode(message(items, at=at), decoder=decoder))
        wrong.append(bool(np.all(batch.quality & Quality.CLOCK_WRONG)))
        if wrong[-1]:
            ages_s = (at - batch.event_time_ns) / 1e9
            assert list(ages_s) == list(reversed(range(size)))
    assert wrong == [False, False, True, True, True, True]


def test_a_clock_that_creeps_away_is_found() -> None:
    """One second further behind each minute: the usual lag may not follow it for ever."""
    decoder = Decoder(FLEET)
    quality = []
    for minute in range(600):
        at = NOW + seconds(60 * minute)
        awake(decoder, at, for_s=60)
        sent = message({"ts": (at - seconds(minute)) // 1_000_000, "v": {"load_kg": minute}}, at=at)
        quality.append(int(only(decode(sent, decoder=decoder)).quality[0]))
    assert not any(quality[:121])
    assert all(q & Quality.CLOCK_WRONG for q in quality[260:])


def test_labels_cannot_crowd_out_codes() -> None:
    decoder = Decoder(FLEET)
    for part in range(10):
        items = [
            {"ts": NOW_MS, "seq": 500 * part + n, "boot": "b", "v": {"car_position": f"{part}-{n}"}}
            for n in range(500)
        ]
        decoded = decode(message(items), decoder=decoder)
    assert decoded.counts.bad_values == 500
    other = only(
        decode(
            message({"ts": NOW_MS, "v": {"car_position": "B1"}}, "ew/v1/lift/L2/status"),
            message({"ts": NOW_MS, "code": 90}, f"{LIFT}/event"),
            decoder=decoder,
        )
    )
    assert other.label(value(other, 0, "car_position")) == "B1"
    assert other.label(float(other.code[1])) == "gbt24476:90"


def test_one_impossible_time_in_an_array_is_its_own_item_s_fault() -> None:
    times = [NOW_MS - 2_000, "2100-01-01T00:00:00Z", 5, NOW_MS - 1_000, None, NOW_MS]
    items = [{"ts": ts, "v": {"load_kg": n}} for n, ts in enumerate(times)]
    for order in (1, -1):
        batch = only(decode(message(items[::order])))
        wrong = [bool(quality & Quality.CLOCK_WRONG) for quality in batch.quality]
        assert wrong == [False, True, True, False, True, False][::order]
        ages_s = [(NOW - int(event)) / 1e9 for event in batch.event_time_ns]
        assert ages_s == [2, 0, 0, 1, 0, 0][::order]


def test_a_clock_that_stands_still_is_wrong_after_a_minute() -> None:
    decoder = Decoder(FLEET)
    marks = ""
    for n in range(30):
        at = NOW + seconds(20 * n)
        awake(decoder, at, for_s=20)
        sent = message({"ts": NOW_MS, "v": {"load_kg": n}}, at=at)
        quality = int(only(decode(sent, decoder=decoder)).quality[0])
        marks += "w" if quality & Quality.CLOCK_WRONG else "L" if quality & Quality.LATE else "."
    assert marks.strip(".").lstrip("L") == "w" * (30 - marks.index("w"))
    assert marks.index("w") - marks.index("L") <= 4


def test_a_buffer_numbered_after_the_sign_of_life_that_announced_it_is_late() -> None:
    """Reconnected after an hour: alive now, then the buffer within a second, then live again."""
    old = [
        message(
            {"ts": NOW_MS - 3_600_000 + 60_000 * n, "seq": 2 + n, "boot": "b", "v": {"load_kg": n}},
            at=NOW + seconds(0.01 * n),
        )
        for n in range(50)
    ]
    alive = {"ts": NOW_MS, "seq": 1, "boot": "b", "online": True}
    live = message({"ts": NOW_MS + 2_000, "seq": 52, "boot": "b", "v": {}}, at=NOW + seconds(2))
    batch = only(decode(message(alive, f"{LIFT}/alive"), *old, live))
    assert [int(quality) for quality in batch.quality] == [0, *[Quality.LATE] * 50, 0]
    assert list(batch.event_time_ns[1:51]) == [
        NOW - seconds(3_600) + seconds(60) * n for n in range(50)
    ]
