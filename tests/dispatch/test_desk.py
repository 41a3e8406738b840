import pytest

from dispatch import desk, intake
from domain.errors import ConflictError, NotFoundError, UsageError
from domain.findings import Phase
from domain.incidents import CloseReason, IncidentAction, IncidentKind, IncidentState
from domain.ports import StateStore
from tests.support.dispatch_world import FLEET, NOW_NS, OPERATOR, finding


def test_every_step_is_a_line_with_actor_and_time(store: StateStore) -> None:
    with store.writing() as tx:
        [opened] = intake.take(tx, [finding()], FLEET)
        desk.acknowledge(tx, opened.id, OPERATOR, NOW_NS + 1)
        steps = ("accepted", "arrived", "freed", "verified")
        for at_ns, step in enumerate(steps, start=NOW_NS + 2):
            desk.advance(tx, opened.id, IncidentAction(step), "firm:acme", at_ns, "on it")
        desk.close(tx, opened.id, CloseReason.RESCUED, OPERATOR, NOW_NS + 9, "all well")
    with store.reading() as tx:
        lines = [(e.action, e.actor, e.at_ns - NOW_NS) for e in tx.incidents.events(opened.id)]
        closed = tx.incidents.get(opened.id)
    assert lines == [
        ("opened", "system", 0),
        ("acknowledged", OPERATOR, 1),
        ("accepted", "firm:acme", 2),
        ("arrived", "firm:acme", 3),
        ("freed", "firm:acme", 4),
        ("verified", "firm:acme", 5),
        ("closed", OPERATOR, 9),
    ]
    assert closed is not None
    assert (closed.acknowledged_by, closed.close_reason) == (OPERATOR, CloseReason.RESCUED)


def test_a_second_acknowledgement_is_a_conflict(store: StateStore) -> None:
    with store.writing() as tx:
        [opened] = intake.take(tx, [finding()], FLEET)
        desk.acknowledge(tx, opened.id, OPERATOR, NOW_NS + 1)
        with pytest.raises(ConflictError, match="may record now: accepted, closed"):
            desk.acknowledge(tx, opened.id, "user:li", NOW_NS + 2)


def test_what_does_not_exist_is_not_found(store: StateStore) -> None:
    with store.writing() as tx:
        with pytest.raises(NotFoundError):
            desk.acknowledge(tx, "nothing", OPERATOR, NOW_NS)
        with pytest.raises(NotFoundError):
            desk.open_by_hand(tx, "L99", OPERATOR, NOW_NS)


def test_only_steps_of_the_work_are_advances(store: StateStore) -> None:
    with store.writing() as tx:
        [opened] = intake.take(tx, [finding()], FLEET)
        with pytest.raises(UsageError, match="steps are: accepted, arrived"):
            desk.advance(tx, opened.id, IncidentAction.CLOSED, OPERATOR, NOW_NS)


def test_comments_are_bounded_and_may_come_after_the_end(store: StateStore) -> None:
    with store.writing() as tx:
        [opened] = intake.take(tx, [finding()], FLEET)
        desk.close(tx, opened.id, CloseReason.TEST, OPERATOR, NOW_NS + 1)
        line = desk.comment(tx, opened.id, OPERATOR, NOW_NS + 2, "x" * desk.NOTE_LIMIT)
        assert line.number > 0
        assert line.state is IncidentState.CLOSED
        with pytest.raises(UsageError, match="at most"):
            desk.comment(tx, opened.id, OPERATOR, NOW_NS, "x" * (desk.NOTE_LIMIT + 1))
        with pytest.raises(UsageError, match="needs a text"):
            desk.comment(tx, opened.id, OPERATOR, NOW_NS, " \n")


def test_a_caller_opens_a_case_that_telemetry_never_ends(store: StateStore) -> None:
    with store.writing() as tx:
        opened = desk.open_by_hand(tx, "L1", OPERATOR, NOW_NS, "two people, third floor")
        assert (opened.kind, opened.level) == (IncidentKind.CALLER, "suspected")
        assert [e.actor for e in tx.incidents.events(opened.id)] == [OPERATOR, OPERATOR]
        intake.take(tx, [finding(at_s=5)], FLEET)
        [after] = intake.take(tx, [finding(at_s=9, phase=Phase.ENDED)], FLEET)
    assert after.id == opened.id
    assert after.state is IncidentState.OPEN


def test_a_caller_joins_the_open_case(store: StateStore) -> None:
    with store.writing() as tx:
        [opened] = intake.take(tx, [finding()], FLEET)
        joined = desk.open_by_hand(tx, "L1", OPERATOR, NOW_NS + 5, "a voice from the shaft")
        assert (joined.id, joined.kind) == (opened.id, opened.kind)
        [after] = intake.take(tx, [finding(at_s=9, phase=Phase.ENDED)], FLEET)
        notes = [e.note for e in tx.incidents.events(opened.id)]
    assert after.state is IncidentState.OPEN
    assert "a voice from the shaft" in notes


def test_only_lifts_are_opened_by_hand(store: StateStore) -> None:
    with store.writing() as tx, pytest.raises(UsageError, match="B1 is a boiler"):
        desk.open_by_hand(tx, "B1", OPERATOR, NOW_NS)


@pytest.mark.parametrize("text", ["123456", "canal", "一号", " L1 "])
def test_a_lift_is_found_by_what_a_caller_reads_out(store: StateStore, text: str) -> None:
    with store.reading() as tx:
        assert [lift.id for lift in desk.find_lift(tx, text)] == ["L1"]
        with pytest.raises(UsageError):
            desk.find_lift(tx, " ")
