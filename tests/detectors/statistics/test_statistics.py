"""Contract of every statistic in the catalogue, each against its scalar reference."""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.statistics import core
from detectors.statistics.base import Statistic
from detectors.statistics.catalog import STATISTICS
from detectors.statistics.core import CoreParameters, Frame
from detectors.statistics.engine import Statistics
from detectors.statistics.lanes import Column, Columns, Floats, Lanes, Single, State
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S
from runtime.bench import scalar as reference

T0_S = 1_780_000_200
SAMPLES = 2_600


def series(kind: str, seed: int = 5) -> tuple[Floats, Floats]:
    """Times and values of one series that has something for every statistic."""
    rng = np.random.default_rng(seed)
    x = np.zeros(SAMPLES)
    for n in range(1, SAMPLES):
        x[n] = 0.7 * x[n - 1] + rng.normal()
    step_s = np.ones(SAMPLES)
    if kind == "quantised":
        x = x.round(1)
    if kind == "faults":
        x[2_100:2_140] = x[2_100]
        x[2_200:] += 3 + np.sin(np.arange(SAMPLES - 2_200) / 3)
        x[900] += 40
        step_s = rng.exponential(size=SAMPLES) + 0.1
    times = T0_S + np.round(np.cumsum(step_s), 3)
    return np.asarray(times, dtype=np.float64), np.asarray(20 + x, dtype=np.float64)


KINDS = ("plain", "quantised", "faults")
SEEN = {kind: list(reference.core(*(part.tolist() for part in series(kind)))) for kind in KINDS}


def together(kinds: Sequence[str]) -> tuple[Floats, Floats]:
    """Times and values of several series side by side, float[T, n]."""
    pairs = [series(kind) for kind in kinds]
    return np.stack([pair[0] for pair in pairs], 1), np.stack([pair[1] for pair in pairs], 1)


def run(item: Statistic, times: Floats, values: Floats) -> Floats:
    """Scores, float[T, n], of series side by side."""
    n = values.shape[1]
    known, own = Lanes(core.COLUMNS), Lanes(item.columns)
    known.grow(n)
    own.grow(n)
    scores = np.empty(values.shape)
    event_ns = np.round(times * 1e9 / 1e6).astype(np.int64) * 1_000_000
    for row in range(len(values)):
        state, mine = known.take(slice(0, n)), own.take(slice(0, n))
        seen = core.frame(state, values[row], event_ns[row])
        scores[row] = item.score(mine, seen)
        core.learn(state, seen, None, CoreParameters())
    return scores


def expected(name: str, kind: str) -> Floats:
    if name == "drift":
        return np.array(list(reference.drift(series(kind)[0].tolist(), SEEN[kind])))
    return np.array(list(getattr(reference, name)(SEEN[kind])))


@pytest.fixture(params=STATISTICS, ids=lambda make: make().name)
def item(request: pytest.FixtureRequest) -> Statistic:
    made: Statistic = request.param()
    return made


def test_scores_are_those_of_the_reference_and_of_each_series_alone(item: Statistic) -> None:
    scores = run(item, *together(KINDS))
    wanted = np.stack([expected(item.name, kind) for kind in KINDS], axis=1)
    # Single precision against double: where a sum nearly cancels, the difference is absolute.
    np.testing.assert_allclose(scores[50:], wanted[50:], rtol=2e-2, atol=2e-2)
    alone = run(item, *together(["faults"]))[:, 0]
    np.testing.assert_array_equal(scores[:, 2], alone)


@pytest.mark.parametrize("level", [0.0, 20.1, -1e6])
def test_a_flat_series_scores_exactly_nothing(item: Statistic, level: float) -> None:
    times = T0_S + np.arange(500.0)[:, None] + np.zeros(2)
    assert not run(item, times, np.full((500, 2), level)).any()


def test_what_it_is_stands_in_its_module(item: Statistic) -> None:
    text = sys.modules[type(item).__module__].__doc__ or ""
    assert re.search(r"State \d+ byte", text)
    assert re.search(r"fails|says nothing", text, re.IGNORECASE)
    assert re.search(r"\\ln|:math:|math::", text)
    assert "warm_up" in (type(item).__doc__ or "")


def state_bytes(text: str) -> int:
    found = re.search(r"State (\d+) byte", text)
    assert found
    return int(found[1])


def test_its_state_is_as_large_as_it_says(item: Statistic) -> None:
    text = sys.modules[type(item).__module__].__doc__ or ""
    columns = item.columns.values()
    size = sum((column.rows or 1) * np.dtype(column.dtype).itemsize for column in columns)
    assert size == state_bytes(text)


def test_limits_grow_with_the_time_between_alarms(item: Statistic) -> None:
    limits = item.limit(np.array([1e4, 1e6, 1e9]), np.ones(3))
    assert (np.diff(limits) > 0).all()


# --- The engine, with one statistic at a time ---------------------------------------------------

DEVICES, CHANNELS, ROUNDS = 7, 3, 90
INTERVAL_S = 20
"""Thirty samples a block of the calibrator."""


def rounds(seed: int = 3) -> tuple[NDArray[np.int64], Floats]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(ROUNDS, DEVICES, CHANNELS)).round(2)
    values[rng.random(values.shape) < 0.2] = np.nan
    event_ns = (T0_S + INTERVAL_S * np.arange(ROUNDS)) * NS_PER_S
    return event_ns, values


def engine(make: Callable[[], Statistic]) -> Statistics:
    built = Statistics(CHANNELS, statistics=[make()])
    built.grow(DEVICES)
    return built


def feed(built: Statistics, splits: Sequence[Sequence[int]], start: int = 0) -> None:
    event_ns, values = rounds()
    for number in range(start, ROUNDS):
        for part in splits:
            device = np.array(part)
            when = np.full(len(part), event_ns[number])
            built.step(device, when, values[number, device])


def same_state(one: Statistics, other: Statistics) -> None:
    left, right = dict(one.arrays()), dict(other.arrays())
    assert left.keys() == right.keys()
    for name, array in left.items():
        assert array.tobytes() == right[name].tobytes(), name


@pytest.fixture(params=STATISTICS, ids=lambda make: make().name)
def make(request: pytest.FixtureRequest) -> Callable[[], Statistic]:
    maker: Callable[[], Statistic] = request.param
    return maker


def test_any_split_of_a_round_is_the_same(make: Callable[[], Statistic]) -> None:
    whole, split = engine(make), engine(make)
    feed(whole, [range(DEVICES)])
    feed(split, [[4, 1], [0], [6, 5, 3, 2]])
    same_state(whole, split)


def test_many_rounds_at_once_are_the_same(make: Callable[[], Statistic]) -> None:
    stepped, ran = engine(make), engine(make)
    feed(stepped, [range(DEVICES)])
    event_ns, values = rounds()
    for begin in range(0, ROUNDS, 30):
        part = slice(begin, begin + 30)
        when = np.repeat(event_ns[part, None], DEVICES, axis=1)
        ran.run(np.arange(DEVICES), when, values[part])
    same_state(stepped, ran)


def test_a_restart_changes_nothing(make: Callable[[], Statistic]) -> None:
    whole = engine(make)
    feed(whole, [range(DEVICES)])
    before, after = engine(make), engine(make)
    event_ns, values = rounds()
    for number in range(41):
        when = np.full(DEVICES, event_ns[number])
        before.step(np.arange(DEVICES), when, values[number])
    after.restore({name: array.copy() for name, array in before.arrays()})
    feed(after, [range(DEVICES)], start=41)
    same_state(whole, after)


def test_growth_leaves_the_old_alone(make: Callable[[], Statistic]) -> None:
    small, grown = engine(make), engine(make)
    feed(small, [range(DEVICES)])
    feed(grown, [range(DEVICES)])
    grown.grow(DEVICES + 5)
    larger = dict(grown.arrays())
    for name, array in small.arrays():
        kept = larger[name] if "fleet/" in name else larger[name][..., : array.shape[-1]]
        np.testing.assert_array_equal(kept, array)


def lanes_of(built: Statistics, device: int, channel: int) -> list[Any]:
    place = device * CHANNELS + channel
    return [
        array[..., place].tolist()
        for name, array in built.arrays()
        if "fleet/" not in name and array.shape[-1] == DEVICES * CHANNELS
    ]


def test_unobserved_cells_stay_untouched(make: Callable[[], Statistic]) -> None:
    built = engine(make)
    feed(built, [range(DEVICES)])
    before = [lanes_of(built, 2, channel) for channel in range(CHANNELS)]
    when = np.array([(T0_S + INTERVAL_S * ROUNDS) * NS_PER_S])
    values = np.array([[1.0, np.nan, np.inf]])
    built.step(np.array([2]), when, values)
    after = [lanes_of(built, 2, channel) for channel in range(CHANNELS)]
    assert before[0] != after[0]
    assert before[1:] == after[1:]


def test_rows_that_are_not_newer_are_left_out(make: Callable[[], Statistic]) -> None:
    built, other = engine(make), engine(make)
    feed(built, [range(DEVICES)])
    feed(other, [range(DEVICES)])
    event_ns, _ = rounds()
    built.step(np.arange(DEVICES), np.full(DEVICES, event_ns[-40]), np.ones((DEVICES, CHANNELS)))
    same_state(built, other)


def test_nothing_is_scored_before_it_is_warm(make: Callable[[], Statistic]) -> None:
    built = engine(make)
    feed(built, [range(DEVICES)])
    arrays = dict(built.arrays())
    assert (arrays["core/count"] < make().warm_up).all()
    assert (arrays["calibrator/lanes/peak"] == -1).all()
    assert (arrays["calibrator/lanes/blocks"] == 0).all()


# --- One more statistic is a module and a line --------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Height:
    warm_up: int = 5
    name: str = "height"
    incident: IncidentKind = IncidentKind.STATISTICAL_ANOMALY
    learned: bool = False

    @property
    def columns(self) -> Columns:
        return {"highest": Column()}

    def score(self, state: State, seen: Frame) -> Single:
        np.maximum(state["highest"], seen.z, out=state["highest"])
        return np.abs(seen.z)

    def limit(self, samples: Floats, _interval_s: Floats) -> Floats:
        return np.full(len(samples), 8.0)


def test_a_scratch_statistic_raises_alarms_with_their_explanation() -> None:
    built = Statistics(1, statistics=[*[make() for make in STATISTICS], Height()])
    built.grow(2)
    rng = np.random.default_rng(1)
    alarms = []
    for number in range(200):
        values = rng.normal(size=(2, 1))
        values[1] += 50.0 * (number == 150)
        when = np.full(2, (T0_S + INTERVAL_S * number) * NS_PER_S)
        alarms += built.step(np.arange(2), when, values)
    mine = [alarm for alarm in alarms if alarm.statistic == "height"]
    assert [(alarm.device, alarm.ended) for alarm in mine] == [(1, False), (1, True)]
    assert mine[0].value == pytest.approx(50, abs=5)
    assert mine[0].score > mine[0].limit == 8
    assert abs(mine[0].usual) < 1
    assert mine[0].event_ns == (T0_S + INTERVAL_S * 150) * NS_PER_S
