"""Limits, tails and the benchmark's score against what is known of them."""

import numpy as np
import pytest

from detectors.statistics import nab, siegmund
from detectors.statistics.chance import normal_limit
from detectors.statistics.engine import Statistics, StatisticsParameters
from detectors.statistics.lanes import Floats, Lanes
from detectors.statistics.multivariate import Multivariate
from detectors.statistics.nab import PROFILES, Recording
from detectors.statistics.novelty import Novelty, NoveltyParameters
from detectors.statistics.tail import BINS, EDGES, fit
from domain.instants import NS_PER_S

T0_S = 1_780_000_200


@pytest.mark.parametrize(("days", "limit"), [(30, 25.6), (300, 30.2)])
def test_limits_of_a_cusum_are_those_of_the_formula(days: int, limit: float) -> None:
    found = siegmund.limit(np.array([days * 86_400.0]), 0.25)
    assert found == pytest.approx(limit, abs=0.05)
    assert siegmund.run_length(found, 0.25) / 2 == pytest.approx(days * 86_400, rel=1e-6)


def test_normal_limits_are_those_of_tables() -> None:
    known = np.array([2.5758, 3.2905, 4.8916, 6.1094])
    np.testing.assert_allclose(normal_limit(np.array([1e-2, 1e-3, 1e-6, 1e-9])), known, atol=0.01)


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
def test_a_pareto_tail_is_recovered_from_its_histogram(shape: float) -> None:
    uniform = np.random.default_rng(2).random(200_000)
    values = 1 - np.log(uniform) if shape == 0 else 1 + (uniform**-shape - 1) / shape
    counts = np.bincount(np.searchsorted(EDGES, values), minlength=BINS).astype(np.float64)
    tail = fit(counts)
    assert tail is not None
    for probability in (1e-3, 1e-5):
        excess = -np.log(probability) if shape == 0 else (probability**-shape - 1) / shape
        assert tail.quantile(probability) == pytest.approx(1 + excess, rel=0.25)
        quantile = tail.quantile(probability)
        assert tail.probability(quantile) == pytest.approx(probability, rel=1e-6)


def test_too_few_blocks_have_no_tail() -> None:
    assert fit(np.zeros(BINS)) is None
    assert fit(np.eye(BINS)[100] * 40) is None


def test_clean_noise_alarms_at_the_budgeted_rate_and_a_fault_at_once() -> None:
    devices, rounds, days = 250, 3_600, 0.2
    engine = Statistics(1, StatisticsParameters(alarms_per_device_day=7 / days))
    engine.grow(devices)
    rng, device = np.random.default_rng(4), np.arange(devices)
    for begin in range(0, rounds * 4, rounds):
        values = rng.normal(size=(rounds // 20, devices, 1))
        second = T0_S + begin * 5 + np.arange(rounds // 20) * 100
        engine.run(device, np.repeat(second[:, None] * NS_PER_S, devices, axis=1), values)
    rates = [rate for rate in engine.rates() if rate.nominal]
    assert sum(rate.nominal for rate in rates) > 50
    ratio = sum(rate.realised for rate in rates) / sum(rate.nominal for rate in rates)
    assert 0.5 <= ratio <= 2
    values = rng.normal(size=(devices, 1))
    values[17] += 25
    when = np.full(devices, (T0_S + rounds * 20) * NS_PER_S)
    found = [alarm for alarm in engine.step(device, when, values) if alarm.device == 17]
    spike = next(alarm for alarm in found if alarm.statistic == "spike")
    assert not spike.ended
    assert spike.once_in_days > days


def test_the_residual_sees_what_no_channel_shows_alone() -> None:
    item = Multivariate(channels=3)
    own = Lanes(item.columns)
    own.grow(2)
    rng = np.random.default_rng(1)
    state = own.take(slice(0, 2))
    usual: list[Floats] = []
    for number in range(1_500):
        common = rng.normal(size=2)
        white = np.array([common, common, rng.normal(size=2)]) + 0.1 * rng.normal(size=(3, 2))
        if number >= 1_480:
            # Apart by two standard deviations, each for itself within the usual.
            white[0, 1] += 1
            white[1, 1] -= 1
        usual.append(item.score(state, white.astype(np.float32)).astype(np.float64))
    assert usual[-1][1] > 2 * max(score[0] for score in usual[200:])
    shares = item.contributions(state, 1)
    assert shares.sum() == pytest.approx(1)
    assert set(np.argsort(-shares)[:2]) == {0, 1}


def test_rows_with_an_unknown_channel_wait_and_missing_channels_do_not_matter() -> None:
    engine = Statistics(3, statistics=[])
    engine.grow(2)
    rng = np.random.default_rng(1)
    for number in range(20):
        values = rng.normal(size=(2, 3))
        values[:, 2] = np.nan
        if number >= 15:
            values[1, 0] = np.nan
        engine.step(np.arange(2), np.full(2, (T0_S + number) * NS_PER_S), values)
    assert dict(engine.arrays())["multivariate/count"].tolist() == [20, 15]


def novelty_run(values: Floats, parameters: NoveltyParameters | None = None) -> Novelty:
    novelty = Novelty(1, parameters or NoveltyParameters(past_blocks=200))
    novelty.grow(values.shape[1])
    device = np.arange(values.shape[1])
    for number, row in enumerate(values):
        when = np.full(len(device), (T0_S + 300 * number) * NS_PER_S)
        novelty.step(device, when, row[:, None])
    return novelty


def test_novelty_names_the_nearest_past() -> None:
    rng = np.random.default_rng(1)
    values = np.sin(np.arange(400) / 4)[:, None] + 0.05 * rng.normal(size=(400, 40))
    values[380:, 3] = 5
    parameters = NoveltyParameters(past_blocks=200, alarms_per_device_day=0.02)
    novelty = Novelty(1, parameters)
    novelty.grow(40)
    found = []
    for number, row in enumerate(values):
        when = np.full(40, (T0_S + 300 * number) * NS_PER_S)
        found += novelty.step(np.arange(40), when, row[:, None])
    mine = [alarm for alarm in found if alarm.event_ns >= (T0_S + 300 * 380) * NS_PER_S]
    assert mine[0].device == 3
    assert not mine[0].ended
    assert mine[0].event_ns == (T0_S + 300 * 381) * NS_PER_S
    assert mine[0].value == pytest.approx(5)
    assert mine[0].nearest_ns is not None
    assert mine[0].event_ns - 201 * 300 * NS_PER_S <= mine[0].nearest_ns < mine[0].event_ns


def test_novelty_of_a_flat_series_is_exactly_nothing_and_a_restart_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate((rng.normal(size=(80, 2)), np.full((150, 2), 7.7)))
    whole = novelty_run(values)
    saved = dict(whole.arrays())
    assert (saved["calibrator/lanes/peak"] <= 0).all()
    restored = Novelty(1, NoveltyParameters(past_blocks=200))
    restored.grow(2)
    restored.restore({name: array.copy() for name, array in saved.items()})
    when = np.full(2, (T0_S + 300 * 230) * NS_PER_S)
    for novelty in (whole, restored):
        novelty.step(np.arange(2), when, np.full((2, 1), 9.0))
    for (name, left), (_, right) in zip(whole.arrays(), restored.arrays(), strict=True):
        assert left.tobytes() == right.tobytes(), name


RECORDING = Recording(times_s=np.arange(1_000) * 300, windows=((400, 499), (700, 799)))


@pytest.mark.parametrize(
    ("found", "low", "high"),
    [([], 0, 0), ([400, 700], 100, 100), ([100], 0, 0), ([499, 799], 50, 52), ([400], 50, 50)],
)
def test_the_benchmark_scores_null_and_perfection(
    found: list[int], low: float, high: float
) -> None:
    for profile in (PROFILES["standard"], PROFILES["reward_low_FP"]):
        score = nab.nab_score([RECORDING], [np.array(found, dtype=np.int64)], profile)
        assert low - 1e-6 <= score <= high + 1e-6


def test_false_alarms_cost_more_far_from_a_window() -> None:
    def score(*found: int) -> float:
        return nab.nab_score([RECORDING], [np.array(found)], PROFILES["standard"])

    assert score(400, 510) > score(400, 600) >= score(200, 400)
    assert score(200, 400) == pytest.approx(50 - 100 * 0.11 / 4)


def test_events_count_windows_and_days() -> None:
    found = nab.events([RECORDING], [np.array([10, 200, 410, 420, 600])])
    assert found.recall == 0.5
    assert found.precision == 0.5
    assert found.false_per_day == pytest.approx(2 / (849 * 300 / 86_400))
