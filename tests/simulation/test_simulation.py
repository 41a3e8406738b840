"""The production code in simulated worlds: nothing lost, nothing doubled, whatever breaks."""

import secrets
import sys
from collections.abc import Iterable
from functools import cache

import pytest

from tests.simulation.planted import PLANTED
from tests.simulation.simulation import Build, Outcome, simulate

FIXED_SEEDS = 150
FRESH_SEEDS = 50
CHUNK = 25
"""Seeds in one test: small enough that no worker is left alone with them at the end."""

CAUGHT_WITHIN = 50
"""Seeds within which each planted bug must be found."""

FOUND = {
    130: "a lone overload sample, the next one late, opened an incident and ended it at once",
    47: "a journal that was away when our clock was set back stayed away for an hour",
    118: "the same",
    15: "how many frames were read at once decided what an outage of our own hid",
    96: "the same: after a restart an incident was missing",
}
"""Seeds that found a bug of the production code, and which one."""

pytestmark = pytest.mark.timeout(600)


@cache
def outcome_of(seed: int) -> Outcome:
    return simulate(seed)


def violations(seeds: Iterable[int]) -> list[str]:
    """A line for each seed that breaks an invariant: it replays it and says which one."""
    outcomes = [outcome_of(seed) for seed in seeds]
    return [
        f"python -m tests.simulation --seed {outcome.seed}  # {outcome.violation}"
        for outcome in outcomes
        if outcome.violation
    ]


@pytest.mark.parametrize("first", range(0, FIXED_SEEDS, CHUNK))
def test_no_fixed_seed_breaks_an_invariant(first: int) -> None:
    assert violations(range(first, first + CHUNK)) == []


@pytest.mark.parametrize("part", range(FRESH_SEEDS // CHUNK))
def test_no_fresh_seed_breaks_an_invariant(part: int) -> None:
    first = secrets.randbelow(10**9)
    again = f"python -m tests.simulation --first {first} --seeds {CHUNK}"
    sys.stdout.write(f"fresh seeds, part {part}: {again}\n")
    assert violations(range(first, first + CHUNK)) == []


def test_seeds_that_found_a_bug_find_it_no_more() -> None:
    assert violations(FOUND) == []


def test_a_seed_always_tells_the_same_story() -> None:
    for seed in range(5):
        assert simulate(seed).trace == outcome_of(seed).trace


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_caught(bug: str) -> None:
    caught = (seed for seed in range(CAUGHT_WITHIN) if simulate(seed, PLANTED[bug]).violation)
    assert next(caught, None) is not None


def test_the_production_classes_are_what_runs_without_a_bug() -> None:
    assert Build().chain.__module__ == "ingest.chain"
    assert Build().pipeline.__module__ == "runtime.pipeline"
