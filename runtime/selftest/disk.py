"""A full disk under load: nothing acknowledged is lost, and it goes on when there is space again.

The data directory lies on a small file system. A ballast file leaves little of it free; when that
is used up the service must say so and acknowledge nothing more, and when the ballast is deleted it
must recover without a hand.
"""

import contextlib
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from domain.errors import UsageError
from domain.ports import StateStore
from ingest.service import EQUIPMENT_ID
from runtime.selftest.common import (
    Journalled,
    Say,
    account,
    concluded,
    kept,
    keys_of,
    memory_bounded,
    named_by_ledger,
    opened_by,
    recorded_items,
    stored_keys,
)
from runtime.selftest.processes import MemoryWatch
from runtime.selftest.service import (
    Service,
    in_workplace,
    publisher,
    serving,
    wait_for,
)
from runtime.wiring import using_state
from simulators.load import LoadPlan, LoadPublisher

FILE_SYSTEM_MAX_BYTES = 4 << 30
"""A larger one is not filled: it would be somebody's disk."""

FILLING_S = 15.0
"""About the time that it takes to use up the space."""

FULL_SHARE = 0.75
"""Share of the headroom below which a journal that stands still does so for want of space."""

FULL_TIMEOUT_S = 120.0
RECOVERY_MAX_S = 60.0
"""Time after space is there again within which everything accepted must be recorded."""

_MB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskOptions:
    """What the user chose.

    Parameters
    ----------
    size_mb
        Size of the file system that is mounted for the test.
    headroom_mb
        What the ballast leaves free when the load begins.
    full_s
        How long the load goes on after the disk was full.
    directory
        Empty directory on a small file system; ``None`` = a tmpfs is mounted, which takes root.
    """

    size_mb: int = 96
    headroom_mb: int = 16
    full_s: float = 30.0
    rate_per_s: float = 3_000.0
    devices: int = 60
    broker: str = ""
    seed: int = 1
    directory: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filling:
    """What was seen while the disk was full and after."""

    full: bool
    full_after_s: float
    said: str
    waiting: int
    recovered: bool
    recovery_s: float


def run_disk(options: DiskOptions, say: Say) -> dict[str, Any]:
    """Run the test and return its report.

    Raises
    ------
    UsageError
        If no small file system can be mounted, or the one named is too large to be filled.
    """
    return in_workplace(None, say, lambda root: _test(options, root, say))


def _test(options: DiskOptions, root: Path, say: Say) -> dict[str, Any]:
    with _small(options, root) as small:
        if shutil.disk_usage(small).total > FILE_SYSTEM_MAX_BYTES:
            raise UsageError(f"{small} lies on a large file system: name a small one to fill")
        return _filled(options, small, root / "service.log", say)


@contextlib.contextmanager
def _small(options: DiskOptions, root: Path) -> Iterator[Path]:
    """Directory on a small file system."""
    if options.directory is not None:
        options.directory.mkdir(parents=True, exist_ok=True)
        yield options.directory.absolute()
        return
    if os.geteuid() != 0:
        raise UsageError("only root can mount a small file system: name one with --directory")
    mounted = root / "small"
    mounted.mkdir()
    size = f"size={options.size_mb}m"
    _run("mount", "-t", "tmpfs", "-o", size, "equipwatch-selftest", str(mounted))
    try:
        yield mounted
    finally:
        _run("umount", str(mounted))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise UsageError(
            f"{' '.join(command)}: {done.stderr.strip()}; name a small file system by --directory"
        )


def _filled(options: DiskOptions, small: Path, log: Path, say: Say) -> dict[str, Any]:
    plan = LoadPlan(
        devices=options.devices,
        # Incidents lie before, within and after the time of the full disk.
        items=int(options.rate_per_s * (options.full_s + FILLING_S)),
        rate_per_s=options.rate_per_s,
        seed=options.seed,
        alarms=options.devices * 7 // 10,
        overloads=options.devices // 5,
    )
    with (
        serving(plan, small / "data", broker=options.broker, log=log) as service,
        using_state(service.site.root) as state,
        MemoryWatch(service.children) as memory,
    ):
        load = publisher(service, plan, endless=True)
        journalled = Journalled(service.site)
        seen = _fill(options, service, state, load, journalled, say)
        sent = load.finish()
        service.stop()
        journalled.distinct()
        journalled.close()
        accepted = keys_of(*load.accepted())
        opened = opened_by(state)
        found = account(plan, accepted, stored_keys(service.site), opened)
        unnamed = np.setdiff1d(found.missing, named_by_ledger(state, plan))
        restarts = service.restarts()
    shed = journalled.shed
    told = Counter(kind.value for equipment, kind in opened if equipment == EQUIPMENT_ID)
    lost = len(unnamed) if found.lost <= shed else found.lost - shed
    report = {
        "scenario": "disk",
        "broker": options.broker or "own choice",
        "messages": sent.acknowledged,
        **found.report(plan),
        "lost": lost,
        "shed_and_counted": shed,
        "full_after_s": round(seen.full_after_s, 1),
        "accepted_while_full_and_waiting": seen.waiting,
        "said_by_readyz": seen.said,
        "service_incidents": dict(told),
        "recovery_s": round(seen.recovery_s, 1),
        "restarts": dict(restarts),
        "rss_mb_max": memory.most_mb(),
        "seed": options.seed,
    }
    promises = kept(found) | memory_bounded(memory.most_mb())
    promises["nothing acknowledged is lost"] = lost == 0
    return concluded(
        report,
        promises
        | {
            "every message offered was accepted": sent.offered == sent.acknowledged,
            "the disk was filled": seen.full,
            "the service said that it cannot work": bool(seen.said),
            f"it recovers without a hand within {RECOVERY_MAX_S:g} s": (
                seen.recovered and seen.recovery_s <= RECOVERY_MAX_S
            ),
        },
    )


def _fill(
    options: DiskOptions,
    service: Service,
    state: StateStore,
    load: LoadPublisher,
    journalled: Journalled,
    say: Say,
) -> _Filling:
    """Load until the disk is full and beyond, then give space back; the load has ended then."""
    ballast = service.site.root.parent / "ballast"
    reserve = shutil.disk_usage(ballast.parent).free - options.headroom_mb * _MB
    if reserve <= 0:
        raise UsageError(f"{ballast.parent} has less than {options.headroom_mb} MB free")
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, reserve)
    began_s = time.monotonic()
    load.start(time.time_ns())
    try:
        used_up = options.headroom_mb * _MB * FULL_SHARE
        full = wait_for(
            # A busy machine may pause, too, so space must really have been used.
            lambda: (
                shutil.disk_usage(ballast.parent).free < used_up and _stands_still(load, journalled)
            ),
            FULL_TIMEOUT_S,
        )
        full_after_s = time.monotonic() - began_s
        free = shutil.disk_usage(ballast.parent).free
        say(f"no journalling any more after {full_after_s:.1f} s, {free // 1024} KiB free")
        time.sleep(options.full_s)
        said = service.readiness()
        waiting = load.acknowledged - journalled.distinct() - journalled.shed
        say(f"readyz: {said or 'ready'}; {waiting} accepted messages wait for the journal")
    finally:
        load.stop()
        ballast.unlink()
    free_s = time.monotonic()

    def complete() -> bool:
        journalled.distinct()
        items = recorded_items(state) + journalled.shed
        return not load.running and items >= load.acknowledged and service.readiness() == ""

    recovered = wait_for(complete, 2 * RECOVERY_MAX_S)
    return _Filling(
        full=full,
        full_after_s=full_after_s,
        said=said,
        waiting=waiting,
        recovered=recovered,
        recovery_s=time.monotonic() - free_s,
    )


def _stands_still(load: LoadPublisher, journalled: Journalled) -> bool:
    """Whether two seconds pass without any message reaching the journal, though some wait."""
    before = journalled.distinct() + journalled.shed
    time.sleep(2.0)
    return load.acknowledged > journalled.distinct() + journalled.shed == before
