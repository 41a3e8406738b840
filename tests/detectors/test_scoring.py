"""Scores: which alarm belongs to what, and how sure a rate is."""

from typing import Any

import pytest

from detectors.intervals import gamma_quantile, poisson_interval, weighted_interval
from detectors.scoring import (
    Alarm,
    Fact,
    Facts,
    covered,
    missed,
    score,
)
from domain.incidents import IncidentKind, Level
from domain.instants import seconds

OFF = IncidentKind.ENTRAPMENT_OFF_LEVEL
AT = IncidentKind.ENTRAPMENT_AT_LEVEL
BUTTON = IncidentKind.ALARM_BUTTON
FAULT = IncidentKind.LIFT_FAULT
ENTRAPMENTS = frozenset({OFF, AT})


def fact(kind: IncidentKind | None, from_s: float, to_s: float | None, **more: Any) -> Fact:
    told = {"evidence_from_ns": seconds(from_s)} if kind is not None else {}
    return Fact(
        kind=kind,
        equipment_id=more.pop("device", "L1"),
        cause=more.pop("cause", str(kind)),
        from_ns=seconds(from_s),
        to_ns=None if to_s is None else seconds(to_s),
        **(told | more),
    )


def alarm(kind: IncidentKind, onset_s: float, **more: Any) -> Alarm:
    levels = more.pop("levels", ((Level.SUSPECTED, onset_s + 30),))
    return Alarm(
        equipment_id=more.pop("device", "L1"),
        kind=kind,
        onset_ns=seconds(onset_s),
        levels=tuple((level, seconds(at_s)) for level, at_s in levels),
        **more,
    )


def facts(*all_: Fact) -> Facts:
    return Facts(all_, ended_ns=seconds(10_000))


def test_an_alarm_belongs_to_the_danger_that_it_overlaps() -> None:
    first, second = fact(OFF, 100, 400), fact(AT, 2_000, 2_400)
    known = facts(first, second)
    assert known.match(alarm(OFF, 105)).cause == first
    assert known.match(alarm(OFF, 2_005)).cause == second, "the case counts, not the kind"
    assert known.match(alarm(OFF, 1_000)).false
    assert known.match(alarm(OFF, 105, device="L2")).false
    assert known.match(alarm(FAULT, 105)).false, "another case"


def test_dangers_of_a_case_that_overlap_are_one() -> None:
    known = facts(
        fact(OFF, 100, 400, evidence_from_ns=None),
        fact(AT, 300, None),
        fact(OFF, 100, 400, device="L2"),
        fact(AT, 500, 600, device="L2"),
        fact(FAULT, 100, 400),
    )
    assert len(known.expected(ENTRAPMENTS)) == 3
    (joined,) = (one for one in known.all if one.equipment_id == "L1" and one.kind is OFF)
    assert (joined.from_ns, joined.to_ns) == (seconds(100), None)
    assert joined.evidence_from_ns == seconds(300)
    assert known.match(alarm(AT, 5_000)).cause is joined


def test_a_claim_beyond_what_happened_is_false() -> None:
    pressed = facts(fact(BUTTON, 100, 101))
    assert pressed.match(alarm(BUTTON, 100)).cause is not None
    assert pressed.match(alarm(OFF, 100)).false
    trapped = facts(fact(OFF, 100, 400))
    assert trapped.match(alarm(BUTTON, 160)).cause is not None


def test_a_nuisance_explains_what_it_may_raise_and_nothing_else() -> None:
    cut = fact(None, 100, 200, cause="power_cut", may_raise=frozenset({FAULT}))
    known = facts(cut)
    assert known.match(alarm(FAULT, 110)).explanation is cut
    fooled = known.match(alarm(OFF, 110))
    assert fooled.false
    assert fooled.occasion is cut
    later = known.match(alarm(FAULT, 300))
    assert later.false, "an hour later it explains nothing"
    assert later.occasion is None


def test_figures_of_a_detector() -> None:
    known = facts(
        fact(OFF, 100, 400),
        fact(AT, 2_000, 2_400),
        fact(AT, 9_990, None),
        fact(OFF, 5_000, 5_100, evidence_from_ns=None),
        fact(None, 7_000, 7_100, cause="cleaner", density=50.0),
    )
    alarms = [
        alarm(OFF, 100, levels=((Level.SUSPECTED, 130), (Level.CONFIRMED, 220))),
        alarm(OFF, 300),
        alarm(AT, 7_050),
        alarm(AT, 8_000),
        alarm(AT, 8_500, device="L2"),
    ]
    matches = [known.match(one) for one in alarms]
    found = score(known, matches, ENTRAPMENTS, device_years=2.0)
    assert (found.truth, found.detected, found.untold) == (2, 1, 2)
    assert (found.alarms, found.false, found.repeated) == (5, 3, 1)
    assert found.recall == 0.5
    assert found.precision == 0.25
    assert found.delay_s(0.5) == 30.0
    assert found.false_devices == 2
    assert found.occasions == {"cleaner": 1, "normal": 2}
    assert found.false_per_device_year == 1.5
    assert found.natural_rate == pytest.approx((2 + 1 / 50) / 2)
    sure = score(known, matches, ENTRAPMENTS, device_years=2.0, level=Level.CONFIRMED)
    assert (sure.detected, sure.false, sure.delay_s(0.95)) == (1, 0, 120.0)
    assert [one.kind for one in missed(known, matches, ENTRAPMENTS)] == [AT]


def test_without_truths_or_alarms_nothing_is_claimed() -> None:
    known = facts()
    found = score(known, [], ENTRAPMENTS, device_years=4.0)
    assert found.recall is None
    assert found.precision is None
    assert found.delay_s(0.5) is None
    assert found.false_interval == pytest.approx((0.0, 3.688879 / 4))
    assert score(known, [], ENTRAPMENTS, device_years=0.0).false_interval is None


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [
        # Garwood's table, as in every textbook; two-sided 95 %.
        (0, 0.0, 3.6889),
        (1, 0.0253, 5.5716),
        (5, 1.6235, 11.6683),
        (10, 4.7954, 18.3904),
        (50, 37.1110, 65.9188),
        (100, 81.3640, 121.6268),
    ],
)
def test_intervals_of_counts_are_exact(count: int, low: float, high: float) -> None:
    assert poisson_interval(count) == pytest.approx((low, high), abs=5e-5)


def test_quantiles_of_chi_square() -> None:
    for freedom, share, expected in ((1, 0.95, 3.84146), (10, 0.05, 3.94030), (30, 0.975, 46.9792)):
        assert 2 * gamma_quantile(freedom / 2, share) == pytest.approx(expected, abs=1e-4)


def test_a_weighted_interval_of_equal_weights_is_the_exact_one() -> None:
    assert weighted_interval(7.0, 7.0) == pytest.approx(poisson_interval(7))
    assert weighted_interval(0.0, 0.0) == pytest.approx(poisson_interval(0))
    low, high = weighted_interval(7 / 50, 7 / 2_500)
    assert low == pytest.approx(poisson_interval(7)[0] / 50)
    assert high > poisson_interval(7)[1] / 50, "an event of weight 1 might still come"


def open_alarm(*stood_s: tuple[float, float | None], closed_s: float | None = None) -> Alarm:
    return alarm(
        OFF,
        100,
        stood=tuple(
            (seconds(since), None if until is None else seconds(until)) for since, until in stood_s
        ),
        closed_ns=None if closed_s is None else seconds(closed_s),
    )


@pytest.mark.parametrize(
    ("open_one", "covered_too"),
    [
        # alarm   ____|130 first truth |400____________|1000 second truth      1600|____
        (open_alarm((130, 400), (1_040, 1_598)), True),
        (open_alarm((130, None)), True),
        (open_alarm((130, 400), (1_040, 1_100)), False),
        (open_alarm((130, 400)), False),
        (open_alarm((130, 400), (1_040, None), closed_s=1_500), False),
        (open_alarm((130, 400), (1_040, 1_598), closed_s=3_400), True),
    ],
)
def test_a_truth_within_an_open_alarm_is_covered_only_to_its_end(
    open_one: Alarm, *, covered_too: bool
) -> None:
    known = facts(fact(OFF, 100, 400), fact(AT, 1_000, 1_600))
    matches = [known.match(open_one)]
    found = score(known, matches, ENTRAPMENTS, device_years=1.0)
    assert (found.truth, found.detected, found.covered) == (2 - covered_too, 1, covered_too)
    assert len(missed(known, matches, ENTRAPMENTS)) == (not covered_too)
    (apart,) = covered(known, matches, ENTRAPMENTS) or (None,)
    if apart is not None:
        assert (apart.fact.kind, apart.alarm) == (AT, open_one)
        sure = score(known, matches, ENTRAPMENTS, device_years=1.0, level=Level.CONFIRMED)
        assert (sure.truth, sure.detected, sure.covered) == (2, 0, 0), "it was never confirmed"


def test_a_truth_with_an_alarm_of_its_own_is_detected_whatever_was_open() -> None:
    known = facts(fact(OFF, 100, 400), fact(AT, 1_000, 1_600))
    matches = [known.match(open_alarm((130, None))), known.match(alarm(AT, 1_005))]
    found = score(known, matches, ENTRAPMENTS, device_years=1.0)
    assert (found.truth, found.detected, found.covered) == (2, 2, 0)
