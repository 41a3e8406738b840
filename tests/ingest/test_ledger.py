"""The ledger against plain definitions of what it says, driven by a real decoder."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from domain.equipment import Equipment, Kind, build_fleet
from domain.findings import Finding, Phase
from domain.incidents import IncidentKind, Level
from domain.instants import from_iso, seconds
from domain.ledger import HOUR_NS, LedgerChanges, LedgerRow, Missing, SeqRange
from domain.messages import Frame, Message
from ingest.decoder import Decoder
from ingest.holes import HOUR_RANGES_MAX
from ingest.ledger import AGAIN_S, GRACE_S, Ledger
from ingest.sequence import BOOTS_MAX

NOON = from_iso("2026-05-28T12:00:00Z")
LIFT = "ew/v1/lift/L1/status"
MEMBERS = [
    Equipment(id="L1", kind=Kind.LIFT, gateway_id="G1"),
    Equipment(id="L2", kind=Kind.LIFT),
    Equipment(id="B1", kind=Kind.BOILER),
]
FLEET = build_fleet(1, MEMBERS)
HOLD_S = 120.0


def item(
    seq: int, at_s: float, *, boot: str = "b", lag_s: float = 0.5, **more: Any
) -> dict[str, Any]:
    ts_ms = (NOON + seconds(at_s - lag_s)) // 1_000_000
    return {"ts": ts_ms, "seq": seq, "boot": boot, "v": {"door_zone": True}} | more


@dataclass
class Book:
    """Decoder, ledger, and what a store would hold."""

    decoder: Decoder = field(default_factory=lambda: Decoder(FLEET))
    ledger: Ledger = field(default_factory=lambda: Ledger(FLEET, gap_hold_s=HOLD_S))
    stored: dict[tuple[str, int], LedgerRow] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    position: int = 0
    heard_ns: int = 0

    def send(self, at_s: float, *items: object, topic: str = LIFT) -> None:
        """One message an item, in one frame."""
        at_ns = NOON + seconds(at_s)
        payloads = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in items]
        messages = tuple(Message(topic, payload, at_ns) for payload in payloads)
        # The decoder hears every tick; the ledger only those that a test is about.
        for tick_ns in range(self.heard_ns or at_ns, at_ns, seconds(1)):
            self.decoder.decode([Frame(self.position, tick_ns)])
        self.heard_ns = at_ns
        self.apply(Frame(self.position + 1, at_ns, messages))

    def tick(self, at_s: float) -> None:
        self.apply(Frame(self.position + 1, NOON + seconds(at_s)))

    def ticks(self, start_s: int, end_s: int) -> None:
        for at_s in range(start_s, end_s):
            self.tick(at_s)

    def apply(self, *frames: Frame) -> None:
        """Apply frames up to and with a tick, as the pipeline does."""
        self.position = frames[-1].position
        messages = [frame for frame in frames if frame.messages]
        if messages:
            self.ledger.take(self.decoder.decode(messages), self.decoder.device)
        if not frames[-1].messages:
            now_ns = frames[-1].received_at_ns
            self.findings += self.ledger.due(now_ns, self.position, self.decoder.device)

    def flush(self) -> LedgerChanges:
        changes = self.ledger.rows()
        for row in changes.rows:
            self.stored[row.equipment_id, row.hour_start_ns] = row
        for one in changes.missing:
            key = one.equipment_id, one.hour_start_ns
            self.stored[key] = replace(self.stored[key], missing=one.missing)
        self.ledger.written()
        return changes

    def hour(self, hour: int = 12, equipment_id: str = "L1") -> LedgerRow:
        self.flush()
        return self.stored[equipment_id, NOON + (hour - 12) * HOUR_NS]

    def phases(self) -> list[Phase]:
        return [finding.phase for finding in self.findings]


def test_every_item_of_an_hour_is_counted_once_under_what_became_of_it() -> None:
    book = Book()
    book.send(1, item(1, 1), item(2, 1), item(2, 1), b"{broken")
    book.send(2, item(3, 2, v={"door_zone": 7}), [item(4, 2), {"seq": 5, "boot": "b"}])
    book.send(3, item(6, 3, codes=["04", "35", "43"], v={}), topic="ew/v1/lift/L1/fault")
    book.send(4, {"seq": 7, "boot": "b", "online": True}, topic="ew/v1/lift/L1/alive")
    book.send(400, item(8, 100), item(9, 400))
    book.tick(401)
    row = book.hour()
    assert (row.received, row.alive, row.duplicated, row.refused) == (7, 1, 1, 2)
    assert (row.late, row.bad_values) == (1, 1)
    assert (row.last_boot, row.last_seq) == ("b", 9)
    assert row.last_received_at_ns == NOON + seconds(400)
    assert row.missing == Missing()


def test_a_refused_item_of_a_gateway_counts_for_its_equipment_once_that_is_known() -> None:
    book = Book()
    decoded = book.decoder.decode([Frame(1, NOON, (Message(LIFT, b"{", NOON),))])
    (refusal,) = decoded.refusals
    of_gateway = replace(refusal, sender="G1", equipment_id="L2")
    unknown = replace(refusal, sender="stranger")
    book.ledger.take(replace(decoded, refusals=(of_gateway, unknown)), book.decoder.device)
    assert book.hour(equipment_id="L2").refused == 1
    assert len(book.stored) == 1


def test_hours_without_a_message_have_no_row() -> None:
    book = Book()
    book.send(1, item(1, 1))
    book.send(2 * 3_600, item(2, 7_200))
    book.flush()
    assert {start for _, start in book.stored} == {NOON, NOON + 2 * HOUR_NS}


def test_the_hour_is_that_of_the_received_time_though_the_journal_holds_it_later() -> None:
    book = Book()
    book.tick(3_600.5)
    book.send(3_599.9, item(1, 3_599))
    book.tick(3_600 + GRACE_S + 1)
    book.send(3_599.9, item(2, 3_599))
    assert book.hour(12).received == 1
    assert book.hour(13).received == 1


def test_an_hour_whose_beginning_the_journal_does_not_hold_is_not_overwritten() -> None:
    book = Book(position=1_000)
    book.send(1_800, item(1, 1_800), item(3, 1_800))
    book.send(3_601, item(4, 3_601))
    book.flush()
    book.send(3_602, item(2, 1_800))
    book.flush()
    assert {start for _, start in book.stored} == {NOON + HOUR_NS}


def test_lost_numbers_are_named_in_the_hour_that_showed_them() -> None:
    book = Book()
    book.send(1, item(100, 1), item(103, 1), item(104, 1))
    book.send(3_700, item(110, 3_700), item(1, 3_700, boot="c"), item(3, 3_700, boot="c"))
    assert book.hour(12).missing == Missing(count=2, ranges=(SeqRange("b", 101, 102),))
    later = (SeqRange("b", 105, 109), SeqRange("c", 2, 2))
    assert book.hour(13).missing == Missing(count=6, ranges=later)


def test_a_buffer_that_arrives_hours_later_takes_its_numbers_out_of_a_closed_hour() -> None:
    book = Book()
    book.send(1, item(1, 1), item(10, 1))
    book.flush()
    book.tick(3 * 3_600)
    book.flush()
    book.send(3 * 3_600 + 1, item(2, 1), item(3, 1), item(9, 1))
    changes = book.flush()
    assert [row.hour_start_ns for row in changes.rows] == [NOON + 3 * HOUR_NS]
    assert book.hour(12).missing == Missing(count=5, ranges=(SeqRange("b", 4, 8),))
    assert book.hour(12).received == 2
    assert book.hour(15).missing == Missing()


def test_more_holes_than_a_row_lists_are_counted_all_the_same() -> None:
    book = Book()
    holes = HOUR_RANGES_MAX + 50
    for number in range(0, 2 * holes + 2, 2):
        book.send(1 + number / 1_000, item(number, 1))
    missing = book.hour().missing
    assert missing.count == holes
    assert len(missing.ranges) == HOUR_RANGES_MAX
    assert missing.unlisted == 50
    assert missing.ranges[0] == SeqRange("b", 1, 1)


def test_holes_forgotten_within_one_call_stay_counted() -> None:
    book = Book()
    holes = 2 * HOUR_RANGES_MAX
    book.send(1, *(item(2 * number, 1) for number in range(holes + 1)))
    missing = book.hour().missing
    assert missing.count == holes
    assert missing.unlisted == holes - len(missing.ranges) > 0


def test_what_an_old_boot_lost_stays_named_after_it_is_forgotten() -> None:
    book = Book()
    book.send(1, item(1, 1, boot="old"), item(5, 1, boot="old"))
    for boot in range(BOOTS_MAX):
        book.send(3_600 * (boot + 1), item(1, 3_600 * (boot + 1), boot=f"b{boot}"))
        book.flush()
    last_s = 3_600 * BOOTS_MAX + 1
    book.send(last_s, item(3, last_s, boot=f"b{BOOTS_MAX - 1}"))
    assert book.hour(12).missing.ranges == (SeqRange("old", 2, 4),)


def test_lag_of_a_clock_over_an_hour() -> None:
    book = Book()
    for minute, lag_s in enumerate((3, 1, 1, 9, 9, 9)):
        at_s = 60 * minute + 1
        book.send(at_s, item(minute, at_s, lag_s=lag_s))
        book.tick(at_s + 30)
    row = book.hour()
    lags = (row.lag_first_ns, row.lag_min_ns, row.lag_max_ns, row.lag_last_ns)
    assert all(lag is not None for lag in lags)
    first, least, most, last = (lag or 0 for lag in lags)
    assert first == seconds(3) == most or least < first
    assert least < last <= most
    assert not row.clock_wrong


def test_a_wrong_clock_shows_how_far_it_is_off() -> None:
    book = Book()
    book.send(1, item(1, 1, lag_s=-8 * 3_600))
    book.tick(31)
    row = book.hour()
    assert row.clock_wrong
    assert row.lag_last_ns == -seconds(8 * 3_600)


def test_without_a_sample_the_lag_is_unknown_and_not_zero() -> None:
    book = Book()
    book.send(1, item(1, 1))
    assert book.hour().lag_last_ns is None
    assert book.hour().last_seq is None


def test_a_gap_is_claimed_when_it_stands_and_ended_when_it_is_filled() -> None:
    """Items 2 and 3 are missing from second 10 on.

    items      1,4                      2      3
    second     10 ───────────── 131 ─── 200 ── 300
    finding                     raised         ended
    """
    book = Book()
    book.send(10, item(1, 10), item(4, 10))
    book.ticks(10, 130)
    assert book.findings == []
    book.ticks(130, 200)
    (raised,) = book.findings
    assert (raised.kind, raised.level) == (IncidentKind.DATA_GAP, Level.ADVISORY)
    assert raised.onset_ns == NOON + seconds(10)
    assert [evidence.value for evidence in raised.evidence] == [2.0, "b: 2-3"]
    book.send(200, item(2, 200))
    book.ticks(200, 300)
    book.send(300, item(3, 300))
    book.ticks(300, 310)
    assert book.phases() == [Phase.RAISED, Phase.ENDED]
    assert {finding.kind for finding in book.findings} == {IncidentKind.DATA_GAP}


def test_what_overtakes_its_own_buffer_is_no_gap() -> None:
    book = Book()
    book.send(10, item(50, 10))
    book.send(20, item(100, 20))
    book.ticks(20, 60)
    book.send(60, *(item(number, 20) for number in range(51, 100)))
    book.ticks(60, 400)
    assert book.findings == []


def test_a_young_hole_does_not_inherit_the_age_of_one_that_was_filled() -> None:
    book = Book()
    book.send(0, item(1, 0), item(3, 0))
    book.ticks(0, 100)
    book.send(100, item(5, 100), item(2, 100))
    book.ticks(100, 215)
    assert book.findings == []
    book.ticks(215, 225)
    assert [finding.onset_ns for finding in book.findings] == [NOON + seconds(100)]


def test_time_in_which_we_were_away_ourselves_does_not_count() -> None:
    book = Book()
    book.send(0, item(1, 0), item(3, 0))
    book.ticks(0, 10)
    book.ticks(1_000, 1_050)
    assert book.findings == []
    book.send(1_050, item(2, 1_050))
    book.ticks(1_050, 1_400)
    assert book.findings == []


def test_a_device_that_goes_on_losing_items_is_claimed_again_at_most_once_an_hour() -> None:
    book = Book()
    for minute in range(70):
        book.send(60 * minute, item(2 * minute, 60 * minute))
        book.ticks(60 * minute, 60 * minute + 60)
    assert book.phases() == [Phase.RAISED, Phase.RAISED]
    first, second = book.findings
    assert second.detected_at_ns - first.detected_at_ns >= seconds(AGAIN_S)


def test_a_device_that_joins_the_registry_has_a_ledger_at_once() -> None:
    book = Book()
    book.send(1, item(1, 1))
    fleet = build_fleet(2, [*MEMBERS, Equipment(id="L3", kind=Kind.LIFT)])
    book.decoder.set_fleet(fleet)
    book.ledger.set_fleet(fleet)
    book.send(2, item(1, 2), topic="ew/v1/lift/L3/status")
    assert book.hour(equipment_id="L3").received == 1
    assert book.hour().received == 1


def test_rows_are_given_again_until_they_are_written() -> None:
    book = Book()
    book.send(1, item(1, 1), item(3, 1))
    first = book.ledger.rows()
    assert book.ledger.rows() == first
    book.ledger.written()
    assert book.ledger.rows() == LedgerChanges(rows=[], missing=[])


def test_memory_does_not_grow_with_the_hours() -> None:
    book = Book()
    sizes = []
    for hour in range(30):
        at_s = 3_600 * hour
        book.send(at_s, item(hour, at_s))
        book.tick(at_s + 1)
        book.flush()
        sizes.append(len(book.ledger.snapshot()))
    assert len(set(sizes[5:])) == 1


@pytest.mark.parametrize("data", [b"", b"\x80", b"not a snapshot"])
def test_a_foreign_snapshot_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        Ledger(FLEET).restore(data)


def journal(seed: int) -> list[Frame]:
    """Three hours of three devices that lose, repeat and buffer items, restart and send rubbish."""
    rng = random.Random(seed)
    frames: list[Frame] = []
    topics = [LIFT, "ew/v1/lift/L2/status", "ew/v1/boiler/B1/telemetry"]
    seqs = dict.fromkeys(topics, 0)
    boots = dict.fromkeys(topics, 0)
    held: list[tuple[str, dict[str, Any]]] = []
    for at_s in range(0, 3 * 3_600, 20):
        at_ns = NOON + seconds(at_s)
        messages: list[Message] = []
        for topic in rng.sample(topics, rng.randint(0, 3)):
            seqs[topic] += 1
            fate = rng.random()
            sent = item(seqs[topic], at_s, boot=f"b{boots[topic]}")
            if fate < 0.1:
                held.append((topic, sent))
            elif fate >= 0.15:
                copies = 2 if fate < 0.2 else 1
                messages += [Message(topic, json.dumps(sent).encode(), at_ns)] * copies
            if fate > 0.99:
                boots[topic], seqs[topic] = boots[topic] + 1, rng.randint(0, 50)
            if fate > 0.95:
                messages.append(Message(topic, b"{", at_ns))
        if held and rng.random() < 0.03:
            messages += [Message(t, json.dumps(i).encode(), at_ns) for t, i in held]
            held.clear()
        if messages:
            frames.append(Frame(len(frames) + 1, at_ns, tuple(messages)))
        frames.append(Frame(len(frames) + 1, at_ns + seconds(1)))
    return frames


def slices(frames: Sequence[Frame], rng: random.Random) -> list[list[Frame]]:
    """Frames up to each tick, and now and then fewer."""
    cut: list[list[Frame]] = [[]]
    for frame in frames:
        cut[-1].append(frame)
        if not frame.messages or rng.random() < 0.3:
            cut.append([])
    return [one for one in cut if one]


@pytest.mark.parametrize("seed", range(4))
def test_crashes_and_other_cuts_of_the_journal_change_nothing(seed: int) -> None:
    frames = journal(seed)
    plain = Book()
    for one in slices(frames, random.Random(0)):
        plain.apply(*one)
    plain.flush()

    rng = random.Random(seed)
    book, done, saved = Book(), 0, (b"", b"", 0)
    while done < len(frames):
        cut = slices(frames[done : done + rng.randint(1, 60)], rng)
        for one in cut:
            book.apply(*one)
        done = book.position
        if rng.random() < 0.5:
            book.flush()
            saved = book.decoder.snapshot(), book.ledger.snapshot(), book.position
        elif rng.random() < 0.3 and saved[2]:
            book.flush()
            again = Book(stored=book.stored, findings=book.findings, position=saved[2])
            again.decoder.restore(saved[0])
            again.ledger.restore(saved[1])
            book, done = again, saved[2]
    book.flush()
    assert book.stored == plain.stored
    assert list({one.id: one for one in book.findings}) == [one.id for one in plain.findings]


@pytest.mark.parametrize("seed", range(6, 9))
def test_the_book_adds_up_to_what_was_sent(seed: int) -> None:
    """Per device: received + duplicated + refused = sent; missing = holes of the numbering."""
    book = Book()
    frames = journal(seed)
    for cut in slices(frames, random.Random(0)):
        book.apply(*cut)
        if random.Random(cut[0].position).random() < 0.2:
            book.flush()
    book.flush()
    sent = [message for frame in frames for message in frame.messages]
    for equipment_id in ("L1", "L2", "B1"):
        rows = [row for (owner, _), row in book.stored.items() if owner == equipment_id]
        own = [one for one in sent if f"/{equipment_id}/" in one.topic]
        assert sum(row.received + row.duplicated + row.refused for row in rows) == len(own)
        arrived: dict[str, set[int]] = {}
        for one in own:
            if one.payload != b"{":
                said = json.loads(one.payload)
                arrived.setdefault(said["boot"], set()).add(said["seq"])
        lost = {
            (boot, number)
            for boot, numbers in arrived.items()
            for number in range(min(numbers), max(numbers))
            if number not in numbers
        }
        named = [
            (one.boot, number)
            for row in rows
            for one in row.missing.ranges
            for number in range(one.first, one.last + 1)
        ]
        assert sorted(named) == sorted(lost)
        assert sum(row.missing.count for row in rows) == len(lost)
