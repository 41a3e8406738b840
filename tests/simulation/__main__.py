"""Replay a seed with its trace, or run many: python -m tests.simulation --seed N."""

import argparse
import secrets
import sys
import time
from collections.abc import Sequence

from tests.simulation.planted import PLANTED
from tests.simulation.simulation import Build, Outcome, simulate

REPLAY = "python -m tests.simulation --seed {seed}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; return an exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this seed and print its trace")
    parser.add_argument("--seeds", type=int, default=2_000, help="how many seeds to run")
    parser.add_argument("--first", type=int, help="first seed; without it, a fresh one")
    parser.add_argument("--planted", choices=PLANTED, help="plant this bug")
    options = parser.parse_args(arguments)
    build = PLANTED[options.planted] if options.planted else Build()
    if options.seed is not None:
        return _replay(options.seed, build)
    first = secrets.randbelow(10**9) if options.first is None else options.first
    return _run(range(first, first + options.seeds), build)


def _replay(seed: int, build: Build) -> int:
    outcome = simulate(seed, build, show=_say)
    _say(f"seed {seed}: faults {', '.join(sorted(outcome.plan.faults)) or 'none'}")
    _say(f"seed {seed}: {outcome.violation or 'all invariants hold'}, trace {outcome.trace}")
    return 1 if outcome.violation else 0


def _run(seeds: range, build: Build) -> int:
    began = time.process_time()
    outcomes = [_told(simulate(seed, build)) for seed in seeds]
    broken = [outcome for outcome in outcomes if outcome.violation]
    _say(
        f"{len(seeds)} seeds from {seeds.start}: {len(broken)} violations, "
        f"{sum(o.messages for o in outcomes)} messages, {sum(o.kills for o in outcomes)} kills, "
        f"{sum(o.untold for o in outcomes)} losses untold by a process that died, "
        f"{time.process_time() - began:.0f} s"
    )
    return 1 if broken else 0


def _told(outcome: Outcome) -> Outcome:
    if outcome.violation:
        _say(f"{REPLAY.format(seed=outcome.seed)}  # {outcome.violation}")
    return outcome


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
