"""The state store's contract, the same on SQLite and on PostgreSQL."""

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_type_hints
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import InternalError

from domain.accounts import ApiKey, Role, User
from domain.equipment import Equipment, Firm, IdentifierScheme, Kind
from domain.errors import ConflictError, DependencyError, NotFoundError, UsageError
from domain.findings import Evidence, Finding, Phase
from domain.incidents import (
    RESCUE,
    CloseReason,
    Incident,
    IncidentAction,
    IncidentEvent,
    IncidentKind,
    IncidentState,
    Level,
    LevelReached,
)
from domain.notifications import Delivery, Notification, Outcome
from domain.ports import EpisodeQuery, EquipmentQuery, IncidentQuery, StateStore
from domain.refusals import Refusal, RefusalReason
from domain.shadow import (
    Act,
    ActKind,
    Candidate,
    CandidateState,
    Claim,
    Episode,
    EpisodeOutcome,
    Tally,
    Totals,
)
from storage.state import engines, open_state_store, quarantine

I64 = st.integers(-(2**63), 2**63 - 1)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
EVENTS_EACH = 25
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: I64,
    float: NUMBER,
    str | None: TEXT | st.none(),
    int | None: I64 | st.none(),
    float | None: NUMBER | st.none(),
    float | bool | str | None: NUMBER | st.booleans() | TEXT | I64 | st.none(),
    tuple[tuple[IdentifierScheme, str], ...]: st.lists(
        st.tuples(st.sampled_from(IdentifierScheme), TEXT), max_size=3
    ).map(tuple),
    tuple[tuple[float, float], ...]: st.lists(st.tuples(NUMBER, NUMBER), max_size=3).map(tuple),
    tuple[str, ...]: st.lists(TEXT, max_size=3).map(tuple),
}


def values(cls: type[Any], **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Any value of a domain dataclass that a database may be asked to keep."""
    hints = get_type_hints(cls)
    drawn = {
        f.name: PLAIN[hints[f.name]] if hints[f.name] in PLAIN else st.from_type(hints[f.name])
        for f in fields(cls)
    }
    return st.builds(cls, **(drawn | fixed))


IDS = st.builds(lambda: uuid4().hex)
LEVELS = st.lists(values(LevelReached), max_size=3).map(tuple)
EVIDENCE = st.lists(values(Evidence), max_size=3).map(tuple)
everything = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def lift(name: str, **changes: Any) -> Equipment:
    return Equipment(**({"id": name, "kind": Kind.LIFT} | changes))


def incident(name: str, **changes: Any) -> Incident:
    values: dict[str, Any] = {
        "id": name,
        "case": RESCUE,
        "kind": IncidentKind.ALARM_BUTTON,
        "equipment_id": "L-1",
        "firm_id": "F-1",
        "level": Level.SUSPECTED,
        "state": IncidentState.OPEN,
        "opened_at_ns": 1_700_000_000_123_456_789,
        "detected_at_ns": 1_700_000_000_123_456_790,
        "late": False,
        "levels": (),
    }
    return Incident(**(values | changes))


def event(incident_id: str, note: str = "") -> IncidentEvent:
    return IncidentEvent(
        incident_id=incident_id,
        at_ns=1,
        actor="user:ann",
        action=IncidentAction.COMMENTED,
        state=IncidentState.OPEN,
        note=note,
    )


def finding(position: int, **changes: Any) -> Finding:
    values: dict[str, Any] = {
        "detector": "entrapment",
        "kind": IncidentKind.ENTRAPMENT_AT_LEVEL,
        "equipment_id": "L-1",
        "level": Level.SUSPECTED,
        "phase": Phase.RAISED,
        "onset_ns": 5,
        "detected_at_ns": position,
        "position": position,
    }
    return Finding(**(values | changes))


def notification(name: str, due_at_ns: int = 0, **changes: Any) -> Notification:
    values: dict[str, Any] = {
        "id": name,
        "incident_id": "I-1",
        "occasion": "opened",
        "channel": "webhook",
        "receiver": "F-1",
        "body": '{"text": "困人"}',
        "created_at_ns": 0,
        "due_at_ns": due_at_ns,
    }
    return Notification(**(values | changes))


def attempt(of: str, outcome: Outcome, number: int = 1) -> Delivery:
    return Delivery(
        notification_id=of,
        attempt=number,
        at_ns=9,
        outcome=outcome,
        detail="503",
        retry_after_s=1.5,
    )


def refusal(position: int, **changes: Any) -> Refusal:
    values: dict[str, Any] = {
        "reason": RefusalReason.NOT_JSON,
        "position": position,
        "index": 0,
        "item": -1,
        "topic": "ew/v1/lift/L-1/status",
        "sender": "L-1",
        "payload": f"payload {position}".encode(),
        "received_at_ns": position,
        "detail": f"detail {position}",
    }
    return Refusal(**(values | changes))


class TestTransactions:
    def test_an_error_leaves_nothing_behind(self, store: StateStore) -> None:
        def fail() -> None:
            with store.writing() as tx:
                tx.registry.put([lift("L-1")])
                tx.incidents.save(incident("I-1"))
                tx.incidents.add_event(event("I-1"))
                tx.incidents.add_finding(finding(1), "I-1", "opened")
                tx.outbox.add(notification("N-1"))
                tx.quarantine.add([refusal(1)])
                tx.offsets.put("pipeline", 7)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail()
        with store.reading() as tx:
            assert tx.registry.version() == 0
            assert tx.registry.get("L-1") is None
            assert tx.incidents.get("I-1") is None
            assert not tx.incidents.events_after(0)
            assert tx.incidents.count_findings() == 0
            assert tx.outbox.pending() == 0
            assert tx.quarantine.count() == 0
            assert tx.offsets.get("pipeline") == 0

    def test_reading_sees_one_view_and_blocks_nobody(self, store: StateStore) -> None:
        with store.reading() as before:
            assert before.offsets.get("pipeline") == 0
            with store.writing() as tx:
                tx.offsets.put("pipeline", 1)
                tx.registry.put([lift("L-1")])
            assert before.offsets.get("pipeline") == 0
            assert before.registry.get("L-1") is None
        with store.reading() as after:
            assert after.offsets.get("pipeline") == 1

    def test_reading_cannot_write(self, store: StateStore) -> None:
        def write() -> None:
            with store.reading() as tx:
                tx.offsets.put("pipeline", 1)

        with pytest.raises((DependencyError, InternalError)):
            write()
        with store.writing() as tx:
            assert tx.offsets.get("pipeline") == 0

    def test_a_held_turn_is_waited_for_within_bounds(
        self, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engines, "TURN_TIMEOUT_S", 0.3)
        first, second = open_state_store(url), open_state_store(url)

        def write_second() -> None:
            with second.writing():
                pass

        with first.writing(), pytest.raises(DependencyError):
            write_second()
        write_second()
        first.close()
        second.close()

    def test_threads_lose_no_update(self, store: StateStore) -> None:
        def count(_: int) -> None:
            with store.writing() as tx:
                tx.offsets.put("pipeline", tx.offsets.get("pipeline") + 1)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(count, range(80)))
        with store.reading() as tx:
            assert tx.offsets.get("pipeline") == 80

    def test_processes_lose_no_update_and_open_at_once(self, url: str) -> None:
        spawn = multiprocessing.get_context("spawn")
        workers = [spawn.Process(target=_count_in_process, args=(url, 30)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        assert [worker.exitcode for worker in workers] == [0, 0, 0]
        store = open_state_store(url)
        with store.reading() as tx:
            assert tx.offsets.get("pipeline") == 90
            assert len(tx.incidents.events_after(0)) == 90
        store.close()

    def test_a_killed_writer_leaves_nothing_and_blocks_nobody(self, url: str) -> None:
        store = open_state_store(url)
        spawn = multiprocessing.get_context("spawn")
        begun = spawn.Event()
        writer = spawn.Process(target=_hold_in_process, args=(url, begun))
        writer.start()
        assert begun.wait(60)
        writer.kill()
        writer.join(60)
        with store.writing() as tx:
            assert tx.registry.version() == 0
            assert tx.offsets.get("pipeline") == 0
            tx.registry.put([lift("L-2")])
        store.close()


def _hold_in_process(url: str, begun: Any) -> None:
    with open_state_store(url).writing() as tx:
        tx.registry.put([lift("L-1")])
        tx.offsets.put("pipeline", 1)
        begun.set()
        threading.Event().wait()


def _count_in_process(url: str, times: int) -> None:
    store = open_state_store(url)
    for _ in range(times):
        with store.writing() as tx:
            tx.offsets.put("pipeline", tx.offsets.get("pipeline") + 1)
            tx.incidents.add_event(event("I-1"))
    store.close()


class TestRegistry:
    @everything
    @given(row=values(Equipment, id=IDS), other=values(Equipment, id=IDS))
    def test_equipment_comes_back_as_it_went_in(
        self, store: StateStore, row: Equipment, other: Equipment
    ) -> None:
        changed = replace(other, id=row.id, kind=row.kind)
        for version in (row, changed):
            with store.writing() as tx:
                tx.registry.put([version])
                assert tx.registry.get(row.id) == version
                assert tx.registry.fleet().find(row.id) == version

    def test_slots_are_dense_within_a_kind_and_stay(self, store: StateStore) -> None:
        rows = [lift("B"), Equipment(id="C", kind=Kind.CRANE), lift("A")]
        with store.writing() as tx:
            tx.registry.put(rows)
        with store.writing() as tx:
            tx.registry.put([lift("0"), lift("A", name_en="Renamed"), *reversed(rows[:2])])
            fleet = tx.registry.fleet()
        assert [e.id for e in fleet.members(Kind.LIFT)] == ["B", "A", "0"]
        assert fleet.slots["C"] == (Kind.CRANE, 0)
        assert fleet.members(Kind.LIFT)[1].name_en == "Renamed"

    def test_the_version_rises_with_changes_only(self, store: StateStore) -> None:
        row = lift("L-1", identifiers=((IdentifierScheme.RESCUE_CODE, "12345"),))
        versions = []
        for version in (row, row, replace(row, name_zh="一号梯"), replace(row, identifiers=())):
            with store.writing() as tx:
                tx.registry.put([version])
                versions.append(tx.registry.version())
        assert versions == [1, 1, 2, 3]

    @pytest.mark.parametrize("first", [[lift("L-1")], []])
    def test_a_changed_kind_is_refused_whole(
        self, store: StateStore, first: list[Equipment]
    ) -> None:
        crane = Equipment(id="L-1", kind=Kind.CRANE)
        with store.writing() as tx:
            tx.registry.put([lift("L-1")])
            with pytest.raises(ConflictError, match="L-1 is a lift"):
                tx.registry.put([lift("L-2"), *first, crane])
            assert tx.registry.get("L-2") is None
            assert tx.registry.version() == 1

    def test_more_rows_than_one_statement_takes(self, store: StateStore) -> None:
        rows = [
            lift(f"L-{n:04}", identifiers=((IdentifierScheme.CERTIFICATE, str(n)),))
            for n in range(1_203)
        ]
        with store.writing() as tx:
            tx.registry.put(rows)
            assert list(tx.registry.fleet().members(Kind.LIFT)) == rows
            assert tx.registry.find(EquipmentQuery(limit=5_000)) == rows[:1_000]

    def test_find_by_text(self, store: StateStore) -> None:
        rows = [
            lift("L-1", identifiers=((IdentifierScheme.RESCUE_CODE, "12345"),), name_zh="一号梯"),
            lift("L-2", address="No. 5 100% Road", name_en="Tower lift"),
            lift("L_2", address="No. 6 100 Road"),
        ]
        wanted = {
            "L-1": ["L-1"],
            "12345": ["L-1"],
            "1234": [],
            "号梯": ["L-1"],
            "tower": ["L-2"],
            "100%": ["L-2"],
            "L_2": ["L_2"],
            "o. _": [],
            "Road": ["L-2", "L_2"],
            "\\": [],
        }
        with store.writing() as tx:
            tx.registry.put(rows)
            found = {
                text: [e.id for e in tx.registry.find(EquipmentQuery(text=text))] for text in wanted
            }
        assert found == wanted

    def test_find_by_kind_and_firm_in_pages(self, store: StateStore) -> None:
        with store.writing() as tx:
            tx.registry.put([lift(f"l{n}", maintenance_firm="F-1") for n in range(5)])
            tx.registry.put([lift("L-Z", maintenance_firm="F-1"), lift("other")])
            tx.registry.put([Equipment(id="crane", kind=Kind.CRANE, maintenance_firm="F-1")])
            query = EquipmentQuery(kind=Kind.LIFT, firm_id="F-1", limit=3)
            pages = [tx.registry.find(replace(query, offset=offset)) for offset in (0, 3)]
            assert not tx.registry.find(replace(query, limit=-1))
        assert [[e.id for e in page] for page in pages] == [["L-Z", "l0", "l1"], ["l2", "l3", "l4"]]

    @everything
    @given(firm=values(Firm, id=IDS), changed=values(Firm))
    def test_firms_come_back_as_they_went_in(
        self, store: StateStore, firm: Firm, changed: Firm
    ) -> None:
        with store.writing() as tx:
            for version in (firm, replace(changed, id=firm.id)):
                tx.registry.put_firm(version)
                assert tx.registry.firm(firm.id) == version
            assert tx.registry.version() == 0

    def test_firms_are_ordered(self, store: StateStore) -> None:
        with store.writing() as tx:
            for name in ("b", "B", "a"):
                tx.registry.put_firm(Firm(id=name))
            assert [firm.id for firm in tx.registry.firms()] == ["B", "a", "b"]
            assert tx.registry.firm("none") is None


class TestIncidents:
    @everything
    @given(value=values(Incident, id=IDS, equipment_id=IDS, levels=LEVELS))
    def test_incidents_come_back_as_they_went_in(self, store: StateStore, value: Incident) -> None:
        with store.writing() as tx:
            tx.incidents.save(replace(value, state=IncidentState.OPEN, levels=()))
            tx.incidents.save(value)
            back = tx.incidents.get(value.id)
            assert back == value
            assert back is not None
            assert repr(back) == repr(value)

    def test_only_one_of_a_case_is_open(self, store: StateStore) -> None:
        first, second = incident("I-1"), incident("I-2")
        with store.writing() as tx:
            tx.incidents.save(first)
            with pytest.raises(ConflictError, match="L-1 already has an open incident"):
                tx.incidents.save(second)
            tx.incidents.save(replace(second, case="overload"))
            tx.incidents.save(incident("I-3", equipment_id="L-2"))
        with store.writing() as tx:
            assert tx.incidents.open_for("L-1", RESCUE) == first
            ended = replace(
                first, state=IncidentState.CLOSED, close_reason=CloseReason.RESCUED, closed_at_ns=3
            )
            tx.incidents.save(ended)
            assert tx.incidents.open_for("L-1", RESCUE) is None
            assert tx.incidents.last_for("L-1", RESCUE) == ended
            tx.incidents.save(incident("I-4"))
            with pytest.raises(ConflictError):
                tx.incidents.save(first)
            last = tx.incidents.last_for("L-1", RESCUE)
            assert last is not None
            assert last.id == "I-4"

    @pytest.mark.parametrize("state", IncidentState)
    def test_resolved_and_closed_have_ended(self, store: StateStore, state: IncidentState) -> None:
        ended = state in {IncidentState.RESOLVED, IncidentState.CLOSED}
        with store.writing() as tx:
            tx.incidents.save(incident("I-1", state=state))
            assert (tx.incidents.open_for("L-1", RESCUE) is None) == ended
            assert (not tx.incidents.find(IncidentQuery(open_only=True))) == ended

    def test_listing_is_newest_first_in_pages(self, store: StateStore) -> None:
        with store.writing() as tx:
            for n, at in enumerate((5, 7, 7, 7, 6)):
                row = incident(f"I-{n}", equipment_id=f"L-{n}", detected_at_ns=at)
                tx.incidents.save(row)
                tx.incidents.save(replace(row, level=Level.CONFIRMED))
            pages = [tx.incidents.find(IncidentQuery(limit=2))]
            while pages[-1]:
                query = IncidentQuery(limit=2, before_id=pages[-1][-1].id)
                pages.append(tx.incidents.find(query))
        listed = [[row.id for row in page] for page in pages]
        assert listed == [["I-3", "I-2"], ["I-1", "I-4"], ["I-0"], []]

    def test_listing_filters(self, store: StateStore) -> None:
        with store.writing() as tx:
            tx.incidents.save(incident("I-1"))
            tx.incidents.save(incident("I-2", case="overload", firm_id="F-2"))
            tx.incidents.save(incident("I-3", equipment_id="L-2", state=IncidentState.CLOSED))
            found = [
                {row.id for row in tx.incidents.find(query)}
                for query in (
                    IncidentQuery(open_only=True),
                    IncidentQuery(equipment_id="L-1"),
                    IncidentQuery(firm_id="F-1"),
                    IncidentQuery(firm_id=""),
                    IncidentQuery(case=RESCUE, equipment_id="L-2"),
                )
            ]
            with pytest.raises(UsageError, match="unknown"):
                tx.incidents.find(IncidentQuery(before_id="unknown"))
        assert found == [{"I-1", "I-2"}, {"I-1", "I-2"}, {"I-1", "I-3"}, set(), {"I-3"}]

    @everything
    @given(value=values(IncidentEvent))
    def test_events_come_back_with_a_number(self, store: StateStore, value: IncidentEvent) -> None:
        with store.writing() as tx:
            kept = tx.incidents.add_event(value)
            assert kept == replace(value, number=kept.number)
            assert tx.incidents.events(value.incident_id)[-1] == kept

    def test_numbers_rise_over_all_incidents_and_past_rollbacks(self, store: StateStore) -> None:
        def add(incident_id: str, *, fail: bool = False) -> int:
            with store.writing() as tx:
                number = tx.incidents.add_event(event(incident_id)).number
                if fail:
                    raise KeyboardInterrupt
            return number

        numbers = [add("I-1"), add("I-2")]
        with pytest.raises(KeyboardInterrupt):
            add("I-1", fail=True)
        numbers += [add("I-1"), add("I-3")]
        with store.reading() as tx:
            assert [e.number for e in tx.incidents.events_after(0)] == sorted(set(numbers))
            assert [e.number for e in tx.incidents.events("I-1")] == [numbers[0], numbers[2]]
            paged = tx.incidents.events_after(numbers[0], 2)
            assert [e.number for e in paged] == numbers[1:3]
            assert not tx.incidents.events_after(numbers[-1])

    def test_a_follower_misses_no_event(self, store: StateStore) -> None:
        done = threading.Event()

        def write(worker: int) -> None:
            for n in range(EVENTS_EACH):
                with store.writing() as tx:
                    tx.incidents.add_event(event(f"I-{worker}", f"{n}a"))
                    tx.incidents.add_event(event(f"I-{worker}", f"{n}b"))

        def follow() -> list[int]:
            seen: list[int] = []
            while True:
                last_round = done.is_set()
                with store.reading() as tx:
                    after = seen[-1] if seen else 0
                    seen += [e.number for e in tx.incidents.events_after(after, 7)]
                    more = tx.incidents.events_after(seen[-1] if seen else 0, 1)
                if last_round and not more:
                    return seen
                # Without a pause the loop would keep the interpreter from the writers.
                done.wait(0.001)

        with ThreadPoolExecutor(5) as pool:
            following = pool.submit(follow)
            list(pool.map(write, range(4)))
            done.set()
            seen = following.result(60)
        with store.reading() as tx:
            assert seen == [e.number for e in tx.incidents.events_after(0)]
        assert len(seen) == 4 * 2 * EVENTS_EACH

    @everything
    @given(value=values(Finding, detector=IDS, evidence=EVIDENCE))
    def test_findings_come_back_as_they_went_in(self, store: StateStore, value: Finding) -> None:
        with store.writing() as tx:
            tx.incidents.add_finding(value, None, "suppressed")
            back = tx.incidents.finding(value.id)
        assert back == value
        assert repr(back) == repr(value)

    def test_a_known_finding_changes_nothing(self, store: StateStore) -> None:
        first = finding(1, evidence=(Evidence(name="stopped_s", value=40),))
        with store.writing() as tx:
            tx.incidents.add_finding(first, "I-1", "opened")
            tx.incidents.add_finding(replace(first, evidence=()), "I-2", "joined")
            assert tx.incidents.findings() == [first]
            assert tx.incidents.count_findings() == 1
            assert tx.incidents.finding("unknown") is None

    def test_findings_newest_first_by_equipment_and_firm(self, store: StateStore) -> None:
        with store.writing() as tx:
            tx.registry.put([lift("L-1", maintenance_firm="F-1"), lift("L-2")])
            kept = [finding(1), finding(3), finding(2, equipment_id="L-2"), finding(4)]
            for value in kept:
                tx.incidents.add_finding(value, "I-1", "joined")
            found = tx.incidents.findings
            assert [f.position for f in found(limit=3)] == [4, 3, 2]
            assert [f.position for f in found(firm_id="F-1")] == [4, 3, 1]
            assert [f.position for f in found(equipment_id="L-2")] == [2]
            assert not found(equipment_id="L-2", firm_id="F-1")

    def test_values_of_numpy_are_kept_as_numbers(self, store: StateStore) -> None:
        half: Any = np.float32(0.5)
        evidence = Evidence(name="speed_mps", value=half, log_odds=np.float64(1.5))
        flag: Any = np.True_
        value = finding(
            np.int64(2),  # type: ignore[arg-type]  # what a kernel may hand over by mistake
            evidence=(evidence, Evidence(name="door_closed", value=flag)),
        )
        with store.writing() as tx:
            tx.incidents.add_finding(value, None, "opened")
            back = tx.incidents.finding(value.id)
        assert back == value
        assert back is not None
        assert type(back.position) is int


class TestOutbox:
    @everything
    @given(value=values(Notification, id=IDS))
    def test_notifications_come_back_as_they_went_in(
        self, store: StateStore, value: Notification
    ) -> None:
        with store.writing() as tx:
            tx.outbox.add(value)
            tx.outbox.add(replace(value, body="another"))
            assert (value, []) in tx.outbox.for_incident(value.incident_id)

    def test_due_in_order_of_time(self, store: StateStore) -> None:
        with store.writing() as tx:
            for name, due in (("c", 30), ("a", 10), ("b", 20), ("b2", 20), ("later", 41)):
                tx.outbox.add(notification(name, due))
            assert [n.id for n in tx.outbox.due(40, 10)] == ["a", "b", "b2", "c"]
            assert [n.id for n in tx.outbox.due(20, 2)] == ["a", "b"]
            assert not tx.outbox.due(9, 10)
            assert tx.outbox.pending() == 5

    def test_an_attempt_moves_or_decides(self, store: StateStore) -> None:
        with store.writing() as tx:
            for name in ("retried", "delivered", "exhausted"):
                tx.outbox.add(notification(name))
            tx.outbox.record(attempt("retried", Outcome.RETRY), 50)
            tx.outbox.record(attempt("delivered", Outcome.DELIVERED), None)
            tx.outbox.record(attempt("exhausted", Outcome.RETRY), None)
        with store.reading() as tx:
            assert tx.outbox.pending() == 1
            assert not tx.outbox.due(49, 10)
            due = tx.outbox.due(50, 10)
            sent = {n.id: (n, list(tries)) for n, tries in tx.outbox.for_incident("I-1")}
        assert due == [notification("retried", 50, attempts=1)]
        assert sent["delivered"][0].outcome is Outcome.DELIVERED
        assert sent["exhausted"][0].outcome is Outcome.GIVEN_UP
        assert sent["retried"][1] == [attempt("retried", Outcome.RETRY)]

    def test_attempts_are_listed_oldest_first(self, store: StateStore) -> None:
        tries = [attempt("n", Outcome.RETRY, number) for number in (1, 2, 3)]
        with store.writing() as tx:
            tx.outbox.add(notification("other", incident_id="I-2"))
            tx.outbox.add(notification("n"))
            for delivery in tries:
                tx.outbox.record(delivery, 7)
            assert tx.outbox.for_incident("I-1") == [(notification("n", 7, attempts=3), tries)]
            assert tx.outbox.for_incident("none") == []

    def test_an_attempt_of_nothing_is_refused(self, store: StateStore) -> None:
        with store.writing() as tx, pytest.raises(NotFoundError):
            tx.outbox.record(attempt("x", Outcome.RETRY), 1)


class TestQuarantine:
    def test_refusals_are_grouped_by_reason_and_sender(self, store: StateStore) -> None:
        foreign = refusal(4, reason=RefusalReason.FOREIGN_ID)
        with store.writing() as tx:
            tx.quarantine.add([refusal(1), refusal(2), refusal(3, sender="L-2")])
        with store.writing() as tx:
            tx.quarantine.add([foreign, refusal(5, item=3)])
            found = tx.quarantine.find()
            assert [(e.reason, e.sender, e.count) for e in found] == [
                (RefusalReason.NOT_JSON, "L-1", 3),
                (RefusalReason.FOREIGN_ID, "L-1", 1),
                (RefusalReason.NOT_JSON, "L-2", 1),
            ]
            newest = found[0]
            assert (newest.first_at_ns, newest.last_at_ns) == (1, 5)
            assert (newest.payload, newest.detail) == (b"payload 5", "detail 5")
            assert tx.quarantine.get(newest.id) == newest
            assert tx.quarantine.originals(newest.id) == [
                refusal(5, item=3),
                refusal(2),
                refusal(1),
            ]
            assert tx.quarantine.count() == 5

    def test_find_filters(self, store: StateStore) -> None:
        with store.writing() as tx:
            tx.quarantine.add([refusal(1), refusal(2, sender=""), refusal(3, sender="L-2")])
            find = tx.quarantine.find
            assert [e.sender for e in find(limit=2)] == ["L-2", ""]
            assert [e.sender for e in find(sender="")] == [""]
            assert not find(sender="L-1", reason=RefusalReason.BAD_TIME)
            assert tx.quarantine.get(99) is None
            assert tx.quarantine.originals(99) == []
            assert tx.quarantine.identities(99) == []

    def test_a_replay_counts_nothing_twice(self, store: StateStore) -> None:
        first = [refusal(n, index=i, item=j) for n in (1, 2) for i in (0, 1) for j in (-1, 0)]
        for _ in range(2):
            with store.writing() as tx:
                tx.quarantine.add([*first, *first])
        with store.writing() as tx:
            tx.quarantine.add([*first, refusal(3)])
            tx.quarantine.add([])
            assert tx.quarantine.count() == len(first) + 1
            assert len(tx.quarantine.originals(tx.quarantine.find()[0].id)) == len(first) + 1

    def test_a_drop_leaves_who_and_how_much(self, store: StateStore) -> None:
        with store.writing() as tx:
            tx.quarantine.add([refusal(2, item=4), refusal(1), refusal(3, sender="L-2")])
            [entry] = tx.quarantine.find(sender="L-1")
            assert tx.quarantine.identities(entry.id) == [(1, 0, -1), (2, 0, 4)]
            dropped = tx.quarantine.drop(entry.id, dropped_by="me", dropped_at_ns=9, note="why")
            assert (dropped.count, dropped.first_at_ns, dropped.last_at_ns) == (2, 1, 2)
        with store.writing() as tx:
            assert tx.quarantine.drops() == [dropped]
            assert tx.quarantine.originals(entry.id) == []
            # What is read again of the journal does not bring it back, something new does.
            tx.quarantine.add([refusal(1), refusal(2, item=4)])
            assert tx.quarantine.find(sender="L-1") == []
            assert tx.quarantine.count() == 3
            tx.quarantine.add([refusal(5)])
            assert tx.quarantine.find(sender="L-1")[0].count == 1
            with pytest.raises(NotFoundError):
                tx.quarantine.drop(99, dropped_by="me", dropped_at_ns=9, note="")

    def test_originals_are_limited_to_the_newest(self, store: StateStore) -> None:
        limit = quarantine.ORIGINALS_LIMIT
        with store.writing() as tx:
            tx.quarantine.add([refusal(n) for n in range(limit - 1)])
            tx.quarantine.add([refusal(limit), refusal(limit + 1), refusal(limit + 2)])
            (entry,) = tx.quarantine.find()
            kept = [r.position for r in tx.quarantine.originals(entry.id)]
            assert kept == [limit + 2, limit + 1, limit, *range(limit - 2, 1, -1)]
            tx.quarantine.add([refusal(1_000 + n) for n in range(3 * limit)])
            assert len(tx.quarantine.originals(entry.id)) == limit
            assert tx.quarantine.count() == 4 * limit + 2

    def test_long_payloads_are_cut_and_say_so(self, store: StateStore) -> None:
        limit = quarantine.PAYLOAD_LIMIT_BYTES
        whole, longer = refusal(1, payload=b"a" * limit), refusal(2, payload=b"b" * (limit + 1))
        with store.writing() as tx:
            tx.quarantine.add([whole, longer])
            (entry,) = tx.quarantine.find()
            cut, kept = tx.quarantine.originals(entry.id)
        assert kept == whole
        assert cut.payload == entry.payload == b"b" * limit
        assert cut.detail == f"detail 2 [payload cut from {limit + 1} to {limit} bytes]"

    def test_senders_beyond_the_limit_share_an_entry(
        self, store: StateStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(quarantine, "ENTRIES_LIMIT", 2)
        with store.writing() as tx:
            tx.quarantine.add([refusal(n, sender=f"L-{n}") for n in range(5)])
            tx.quarantine.add(
                [refusal(9, sender="L-0"), refusal(10, reason=RefusalReason.NOT_UTF8)]
            )
            counts = {(e.reason, e.sender): e.count for e in tx.quarantine.find()}
            (shared,) = tx.quarantine.find(sender="*", reason=RefusalReason.NOT_JSON)
            senders = [r.sender for r in tx.quarantine.originals(shared.id)]
            assert tx.quarantine.count() == 7
        assert counts == {
            (RefusalReason.NOT_JSON, "L-0"): 2,
            (RefusalReason.NOT_JSON, "L-1"): 1,
            (RefusalReason.NOT_JSON, "*"): 3,
            (RefusalReason.NOT_UTF8, "*"): 1,
        }
        assert senders == ["L-4", "L-3", "L-2"]

    def test_identities_are_remembered_within_a_limit(
        self, store: StateStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(quarantine, "SEEN_LIMIT", 10)
        with store.writing() as tx:
            tx.quarantine.add([refusal(n) for n in range(15)])
            tx.quarantine.add([refusal(n) for n in range(5, 15)])
            assert tx.quarantine.count() == 15
            tx.quarantine.add([refusal(0)])
            assert tx.quarantine.count() == 16

    def test_text_that_no_database_takes_stops_nothing(self, store: StateStore) -> None:
        poison = refusal(1, detail="nul \0, half \ud800, whole \U0001f6d7", topic="a\0b")
        with store.writing() as tx:
            tx.quarantine.add([poison])
            (entry,) = tx.quarantine.find()
        assert entry.detail == "nul \ufffd, half \ufffd, whole \U0001f6d7"
        assert entry.topic == "a\ufffdb"


class TestAccounts:
    @everything
    @given(key=values(ApiKey, name=IDS, digest=IDS), changed=values(ApiKey, digest=IDS))
    def test_keys_come_back_as_they_went_in(
        self, store: StateStore, key: ApiKey, changed: ApiKey
    ) -> None:
        with store.writing() as tx:
            for version in (key, replace(changed, name=key.name)):
                tx.accounts.put_key(version)
                assert tx.accounts.key_by_digest(version.digest) == version
            assert tx.accounts.key_by_digest(key.digest) is None

    def test_keys_are_listed_and_dropped(self, store: StateStore) -> None:
        keys = [
            ApiKey(name=name, digest=name * 2, role=Role.ADMIN, firm_id=None, created_at_ns=1)
            for name in ("b", "a")
        ]
        with store.writing() as tx:
            for key in keys:
                tx.accounts.put_key(key)
            with pytest.raises(ConflictError):
                tx.accounts.put_key(replace(keys[0], name="c"))
            listed = tx.accounts.keys()
            assert [key.name for key in listed] == ["a", "b"]
            assert tx.accounts.drop_key("a")
            assert not tx.accounts.drop_key("a")
            assert tx.accounts.keys() == keys[:1]

    @everything
    @given(user=values(User, name=IDS), changed=values(User))
    def test_users_come_back_as_they_went_in(
        self, store: StateStore, user: User, changed: User
    ) -> None:
        with store.writing() as tx:
            for version in (user, replace(changed, name=user.name)):
                tx.accounts.put_user(version)
                assert tx.accounts.user(user.name) == version
            assert tx.accounts.user("nobody") is None


class TestOffsets:
    def test_positions_and_counters_are_independent(self, store: StateStore) -> None:
        with store.writing() as tx:
            assert (tx.offsets.get("pipeline"), tx.offsets.counters("pipeline")) == (0, {})
            tx.offsets.put_counters("pipeline", {"decoded": 2**40})
            assert (tx.offsets.get("pipeline"), tx.offsets.counters("other")) == (0, {})
            tx.offsets.put("pipeline", 2**40)
            tx.offsets.put("other", 1)
            tx.offsets.put("other", 2)
        with store.reading() as tx:
            assert tx.offsets.get("pipeline") == 2**40
            assert tx.offsets.get("other") == 2
            assert tx.offsets.counters("pipeline") == {"decoded": 2**40}


def candidate(name: str, **changes: Any) -> Candidate:
    values: dict[str, Any] = {
        "name": name,
        "parameters": {"entrapment": {"off_level_hold_s": 10.5}, "crane_wind": {}},
        "state": CandidateState.RUNNING,
        "started_by": "user:ann",
        "started_at_ns": 5,
        "reason": "too slow",
    }
    return Candidate(**(values | changes))


def episode(position: int, **changes: Any) -> Episode:
    values: dict[str, Any] = {
        "candidate": "c",
        "equipment_id": "L-1",
        "equipment_kind": Kind.LIFT,
        "kind": IncidentKind.ENTRAPMENT_OFF_LEVEL,
        "position": position,
        "onset_ns": 1,
        "detected_at_ns": position,
        "shadow": Claim(detected_at_ns=position, level=Level.SUSPECTED),
        "evidence": (Evidence(name="stopped_s", value=40.0, unit="s", log_odds=1.5),),
    }
    return Episode(**(values | changes))


class TestShadow:
    def test_a_candidate_comes_back_as_it_went_in(self, store: StateStore) -> None:
        totals = Totals(
            device_ns={Kind.LIFT: 2**62},
            tallies=(
                Tally(equipment_kind=Kind.LIFT, kind=IncidentKind.LIFT_FAULT, both=1, missed=2),
            ),
            cut=3,
        )
        first, second = candidate("c"), candidate("d", started_at_ns=6)
        with store.writing() as tx:
            tx.shadow.add(first)
            tx.shadow.add(second)
            with pytest.raises(ConflictError, match="candidate c already"):
                tx.shadow.add(first)
            tx.shadow.put_totals("c", totals)
            tx.shadow.set_state("c", CandidateState.PROMOTED)
        with store.reading() as tx:
            changed = replace(first, totals=totals, state=CandidateState.PROMOTED)
            assert tx.shadow.candidate("c") == changed
            assert tx.shadow.candidates() == [second, changed]
            assert tx.shadow.candidate("e") is None

    def test_episodes_are_replaced_by_identity_and_paged(self, store: StateStore) -> None:
        kept = [episode(1), episode(2, outcome=EpisodeOutcome.ADDED), episode(3)]
        ended = replace(
            kept[2],
            outcome=EpisodeOutcome.BOTH,
            live=Claim(detected_at_ns=4, level=Level.CONFIRMED, ended_at_ns=9),
        )
        with store.writing() as tx:
            tx.shadow.put_episodes("c", kept)
            tx.shadow.put_episodes("c", [ended])
            tx.shadow.put_episodes("d", [episode(1, candidate="d")])
        with store.reading() as tx:
            find = tx.shadow.episodes
            assert find(EpisodeQuery(candidate="c")) == [ended, kept[1], kept[0]]
            assert find(EpisodeQuery(candidate="c", limit=1, offset=1)) == [kept[1]]
            added = EpisodeQuery(candidate="c", outcome=EpisodeOutcome.ADDED)
            assert find(added) == [kept[1]]

    def test_the_oldest_decided_episodes_go_and_are_counted(
        self, store: StateStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("storage.state.shadow.EPISODES_KEPT", 3)
        decided = [episode(n, outcome=EpisodeOutcome.ADDED) for n in (2, 3, 4)]
        with store.writing() as tx:
            tx.shadow.add(candidate("c"))
            tx.shadow.put_episodes("c", [episode(1), *decided, episode(5)])
            left = [one.position for one in tx.shadow.episodes(EpisodeQuery(candidate="c"))]
            assert left == [5, 4, 1]
            counted = tx.shadow.candidate("c")
            assert counted is not None
            assert counted.pruned == 2
            tx.shadow.drop("c")
            assert tx.shadow.candidate("c") is None
            assert not tx.shadow.episodes(EpisodeQuery(candidate="c"))

    def test_acts_are_numbered_and_take_effect(self, store: StateStore) -> None:
        act = Act(
            candidate="c",
            kind=ActKind.PROMOTED,
            actor="user:ann",
            at_ns=7,
            reason="fewer misses",
            parameters={"entrapment": {"off_level_hold_s": 10.5}},
        )
        with store.writing() as tx:
            first = tx.shadow.add_act(act)
            second = tx.shadow.add_act(replace(act, candidate="d"))
            tx.shadow.drop("c")
        assert first == replace(act, number=first.number)
        with store.writing() as tx:
            tx.shadow.take_effect([first.number], 2**40)
        with store.reading() as tx:
            effective = replace(first, position=2**40)
            assert tx.shadow.acts_after(0) == [effective, second]
            assert tx.shadow.acts_after(first.number) == [second]
            assert tx.shadow.acts() == [second, effective]
            assert tx.shadow.acts(candidate="c") == [effective]
            assert tx.shadow.acts(before=second.number, limit=5) == [effective]


@pytest.mark.parametrize(
    "wrong", ["", "state.db", "mysql://localhost/x", "sqlite://", "sqlite:///:memory:"]
)
def test_a_url_of_no_use_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError):
        open_state_store(wrong)


def test_a_foreign_file_is_a_dependency_error(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"This is no database. " * 100)
    with pytest.raises(DependencyError):
        open_state_store(f"sqlite:///{path}")


def test_an_unreachable_server_is_a_dependency_error() -> None:
    with pytest.raises(DependencyError) as caught:
        open_state_store("postgresql+psycopg://ann:very-secret@127.0.0.1:1/x")
    assert "very-secret" not in str(caught.value)


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    store = open_state_store(f"sqlite:///{tmp_path / 'new' / 'state.db'}")
    with store.writing() as tx:
        tx.registry.put_firm(Firm(id="F-1", webhook_secret="s"))
        modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()}
    store.close()
    assert modes == {0o600}
