"""Contract of every statistic in the catalogue, each against its scalar reference."""

import importlib
import inspect
import pkgutil
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import detectors.statistics as package
from detectors.statistics import core
from detectors.statistics.base import Statistic
from detectors.statistics.catalog import STATISTICS
from detectors.statistics.core import CoreParameters
from detectors.statistics.engine import Statistics
from detectors.statistics.lanes import Floats, Lanes
from detectors.statistics.multivariate import Multivariate
from detectors.statistics.novelty import Novelty, NoveltyParameters
from domain.instants import NS_PER_S
from runtime.bench import scalar as reference
from tests.detectors import scratch_statistic
from tests.detectors.scratch import copied, probe
from tests.detectors.scratch_statistic import Height

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


Engine = Statistics | Novelty


def _alone(make: Callable[[], Statistic]) -> Callable[[], Engine]:
    return lambda: Statistics(CHANNELS, statistics=[make()], multivariate=False)


SHORT_NOVELTY = NoveltyParameters(block_s=2.0 * INTERVAL_S, past_blocks=16)
SERIES: dict[str, Callable[[], Engine]] = {make().name: _alone(make) for make in STATISTICS}
ENGINES: dict[str, Callable[[], Engine]] = {
    **SERIES,
    "multivariate": lambda: Statistics(CHANNELS, statistics=[]),
    "novelty": lambda: Novelty(CHANNELS, SHORT_NOVELTY),
}
"""Whatever scores, each by itself."""


def engine(make: Callable[[], Engine]) -> Engine:
    built = make()
    built.grow(DEVICES)
    return built


def test_nothing_that_scores_is_left_out() -> None:
    names = set()
    for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        module = importlib.import_module(found.name)
        for kind in vars(module).values():
            own = inspect.isclass(kind) and kind.__module__ == found.name and kind is not Statistic
            if own and isinstance(inspect.getattr_static(kind, "columns", None), property):
                names.add(kind.__name__.lower())
    assert names == {name.replace("_", "") for name in ENGINES}


def feed(built: Engine, splits: Sequence[Sequence[int]], start: int = 0) -> None:
    event_ns, values = rounds()
    for number in range(start, ROUNDS):
        for part in splits:
            device = np.array(part)
            when = np.full(len(part), event_ns[number])
            built.step(device, when, values[number, device])


def same_state(one: Engine, other: Engine) -> None:
    left, right = dict(one.arrays()), dict(other.arrays())
    assert left.keys() == right.keys()
    for name, array in left.items():
        assert array.tobytes() == right[name].tobytes(), name


@pytest.fixture(params=ENGINES)
def make(request: pytest.FixtureRequest) -> Callable[[], Engine]:
    return ENGINES[request.param]


def test_any_split_of_a_round_is_the_same(make: Callable[[], Engine]) -> None:
    whole, split = engine(make), engine(make)
    feed(whole, [range(DEVICES)])
    feed(split, [[4, 1], [0], [6, 5, 3, 2]])
    same_state(whole, split)


def test_many_rounds_at_once_are_the_same(make: Callable[[], Engine]) -> None:
    stepped, ran = engine(make), engine(make)
    if isinstance(ran, Novelty):
        pytest.skip("means of minutes need no faster way through history")
    feed(stepped, [range(DEVICES)])
    event_ns, values = rounds()
    for begin in range(0, ROUNDS, 30):
        part = slice(begin, begin + 30)
        when = np.repeat(event_ns[part, None], DEVICES, axis=1)
        ran.run(np.arange(DEVICES), when, values[part])
    same_state(stepped, ran)


def test_a_restart_changes_nothing(make: Callable[[], Engine]) -> None:
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


def test_growth_leaves_the_old_alone(make: Callable[[], Engine]) -> None:
    small, grown = engine(make), engine(make)
    feed(small, [range(DEVICES)])
    feed(grown, [range(DEVICES)])
    grown.grow(DEVICES + 5)
    larger = dict(grown.arrays())
    for name, array in small.arrays():
        kept = larger[name] if "fleet/" in name else larger[name][..., : array.shape[-1]]
        np.testing.assert_array_equal(kept, array)


def lanes_of(built: Engine, device: int, channel: int) -> list[Any]:
    place = device * CHANNELS + channel
    return [
        array[..., place].tobytes()
        for name, array in built.arrays()
        if "fleet/" not in name and array.shape[-1] == DEVICES * CHANNELS
    ]


def test_unobserved_cells_stay_untouched(make: Callable[[], Engine]) -> None:
    built = engine(make)
    feed(built, [range(DEVICES)])
    before = [lanes_of(built, 2, channel) for channel in range(CHANNELS)]
    when = np.array([(T0_S + INTERVAL_S * ROUNDS) * NS_PER_S])
    values = np.array([[1.0, np.nan, np.inf]])
    built.step(np.array([2]), when, values)
    after = [lanes_of(built, 2, channel) for channel in range(CHANNELS)]
    assert before[0] != after[0]
    assert before[1:] == after[1:]


def test_rows_that_are_not_newer_are_left_out(make: Callable[[], Engine]) -> None:
    built, other = engine(make), engine(make)
    feed(built, [range(DEVICES)])
    feed(other, [range(DEVICES)])
    event_ns, _ = rounds()
    built.step(np.arange(DEVICES), np.full(DEVICES, event_ns[-40]), np.ones((DEVICES, CHANNELS)))
    same_state(built, other)


def test_nothing_is_scored_before_it_is_warm(make: Callable[[], Engine]) -> None:
    built = engine(make)
    feed(built, [range(DEVICES)])
    latches = {name: a for name, a in built.arrays() if name.endswith(("/peak", "/blocks"))}
    latches.pop("drift/blocks", None)
    assert len(latches) in {2, 4}
    for name, array in latches.items():
        assert (array == (-1 if name.endswith("/peak") else 0)).all(), name


def test_channels_that_stand_still_together_score_exactly_nothing() -> None:
    item, own = Multivariate(channels=3), Lanes(Multivariate(channels=3).columns)
    own.grow(2)
    for _ in range(600):
        assert not item.score(own.take(slice(0, 2)), np.zeros((3, 2), dtype=np.float32)).any()


@pytest.mark.parametrize("item", [Multivariate(channels=3), Novelty(3)], ids=["multi", "novelty"])
def test_what_they_are_stands_in_their_module(item: Multivariate | Novelty) -> None:
    text = sys.modules[type(item).__module__].__doc__ or ""
    assert re.search(r"State of", text)
    assert re.search(r"fails|says nothing", text, re.IGNORECASE)
    assert re.search(r":math:|math::", text)


# --- One more statistic is a module and a line --------------------------------------------------


PROBE = """
from detectors.statistics.engine import Statistics

built = Statistics(1)
assert [rate.statistic for rate in built.rates()][-1] == "height"
built.grow(3)
assert dict(built.arrays())["height/highest"].shape == (3,)
"""


def test_a_statistic_is_one_module_and_one_line(tmp_path: Path) -> None:
    tree = copied(tmp_path) / "statistics"
    shutil.copy(Path(scratch_statistic.__file__), tree / "height.py")
    path = tree / "catalog.py"
    text = path.read_text(encoding="utf-8").replace(
        "    Oscillation,\n", "    Oscillation,\n    Height,\n"
    )
    importing = "from detectors.statistics.height import Height\n\nSTATISTICS:"
    path.write_text(text.replace("STATISTICS:", importing, 1), encoding="utf-8")
    probe(tmp_path, PROBE)


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
