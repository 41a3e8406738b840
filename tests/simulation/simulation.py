"""One simulation from one seed: a world, its faults, quiet at the end, and the verdict."""

import contextlib
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from unittest import mock

from structlog.testing import capture_logs

from domain.ports import TelemetryStore
from ingest import chain as chain_module
from ingest import topics
from ingest.chain import Chain
from ingest.journal import JournalReader
from runtime.pipeline import Pipeline
from storage.duckdb import DuckDBStore
from storage.memory import MemoryStore
from storage.state import open_state_store
from tests.simulation import invariants
from tests.simulation.broker import DROPS_EVERY_S, Broker, Sent
from tests.simulation.core import STATE_FILE, CoreProcess, open_state
from tests.simulation.devices import Device, make_devices
from tests.simulation.disk import (
    Disk,
    PowerLost,
    ProcessKilled,
    drop_newest_snapshot,
    image_of,
    restore,
)
from tests.simulation.faults import schedule
from tests.simulation.ingest import IngestProcess
from tests.simulation.plan import FIRM, Fault, Plan, plan_of
from tests.simulation.world import InvariantError, World, require

QUIET_S = 150.0
"""Time after the last fault within which everything must have come to rest."""

TICK_MAX_S = 5.0
"""Longest time without a tick while ingest runs on a disk that works."""

DISK_BACK_S = 20.0
"""Time within which ingest notices that its disk works again."""

OFFSETS_EVERY = 6
"""How many looks at the ticks go by between two at the recorded position."""

SMALL_ROOM = 20
"""Messages that may wait for their commit where that fault is enabled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """The classes under test; planted bugs put others in the place of the production ones."""

    chain: type[Chain] = Chain
    pipeline: type[Pipeline] = Pipeline
    patches: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Verdict on a seed.

    Parameters
    ----------
    violation
        The invariant that did not hold, empty when all did.
    trace
        Digest of everything that happened.
    untold
        Losses that the journal does not tell of, because ingest died before it could.
    """

    seed: int
    plan: Plan
    violation: str
    trace: str
    messages: int
    kills: int
    untold: int


class Machine:
    """Our machine: both processes, their disk, and the power that they share."""

    def __init__(self, world: World, plan: Plan, root: Path, build: Build) -> None:
        for name in ("journal", "state", "snapshots"):
            (root / name).mkdir()
        shutil.copy(place().template, root / "state" / STATE_FILE)
        self.root = root
        self.kills = 0
        self.shed: set[Sent] = set()
        self.disk = Disk(world, plan, root / "journal")
        self.broker = Broker(
            world, plan, acknowledged=self._acknowledged, known=lambda: bool(self.disk.durable)
        )
        self.ingest = IngestProcess(
            world, plan, self.broker, self.disk, chain=build.chain, on_death=self._ingest_died
        )
        self.store = _telemetry(plan, root)
        self.core = CoreProcess(
            world, plan, root, self.store, pipeline=build.pipeline, on_death=self._core_died
        )
        state = open_state(root / "state")
        with state.writing() as tx:
            tx.registry.put(plan.fleet)
            tx.registry.put_firm(FIRM)
        state.close()
        shutil.copy(root / "state" / STATE_FILE, root / "registry.sqlite")
        self._world = world
        self._plan = plan
        self._dice = world.dice("machine")
        self._disk_back_ns = 0
        self._watched = 0

    def start(self) -> None:
        """Start both processes, and watch them."""
        self.ingest.start()
        self._world.after(0.3, self.core.start, process=True)
        self._watch()

    def calm(self) -> None:
        """End every fault of the machine and repair what is away."""
        self._world.calm = True
        self.ingest.trap.disarm()
        self.core.trap.disarm()
        self.set_full(full=False)
        self.disk.share = 0.0
        self.core.telemetry.away = False
        self.core.set_state_away(away=False)

    def set_full(self, *, full: bool) -> None:
        """Fill the disk, or make room."""
        self.disk.full = full
        self._disk_back_ns = self._world.now_ns

    def state_of_things(self, devices: list[Device]) -> str:
        """What still waits where."""
        chain = self.ingest.chain
        stats = {} if chain is None else {k: v for k, v in chain.stats().items() if v}
        waiting = {d.equipment.id: d.publisher.backlog() for d in devices}
        return f"devices {waiting}, broker {self.broker.backlog()}, chain {stats}"

    def _acknowledged(self, sent: Sent) -> None:
        """The broker got an acknowledgement: from here on only we have the message."""
        if sent in self.disk.durable:
            return
        parsed = topics.parse(sent.topic)
        may_shed = Fault.DISK_BUDGET in self._plan and isinstance(parsed, topics.DeviceTopic)
        require(
            may_shed and sent.topic.endswith("/telemetry"),
            f"acknowledged and not in the journal: {sent.topic} {sent.payload!r}",
        )
        self.shed.add(sent)

    def _watch(self) -> None:
        """Check again and again that ticks go on and no position goes back."""
        world, disk = self._world, self.disk
        back_s = (world.now_ns - max(self._disk_back_ns, self.ingest.up_since_ns)) / 1e9
        if self.ingest.chain is not None and not disk.full and back_s > DISK_BACK_S:
            silent_s = (world.now_ns - disk.ticked_ns) / 1e9
            require(silent_s < TICK_MAX_S, f"no tick for {silent_s:.1f} s")
        self._watched += 1
        if self._watched % OFFSETS_EVERY == 0:
            self.core.check()
        world.after(2.0, self._watch, process=True)

    def _ingest_died(self, killed: ProcessKilled) -> None:
        if isinstance(killed, PowerLost):
            self._power_off(killed)
            return
        self.kills += 1
        self.ingest.stop()
        self._world.after(self._dice.uniform(0.1, 8), self.ingest.start, process=True)

    def _core_died(self, killed: ProcessKilled) -> None:
        if isinstance(killed, PowerLost):
            self._power_off(killed)
            return
        self.kills += 1
        self.core.stop()
        self._world.after(self._dice.uniform(0.1, 8), self.core.start, process=True)

    def _power_off(self, lost: PowerLost) -> None:
        self.kills += 1
        images = {lost.directory: lost.image}
        for name in ("journal", "state"):
            images.setdefault(self.root / name, image_of(self.root / name))
        self.ingest.stop()
        self.core.stop()
        for directory, image in images.items():
            restore(directory, image)
        drop_newest_snapshot(self.root / "snapshots", self._dice)
        if self._dice.random() < 0.3:
            self.broker.crash(self._dice.uniform(0.5, 5))
        self.disk.verify()
        self._world.after(self._dice.uniform(1, 8), self.ingest.start, process=True)
        self._world.after(self._dice.uniform(1, 8), self.core.start, process=True)


def _telemetry(plan: Plan, root: Path) -> TelemetryStore:
    return DuckDBStore(root / "telemetry.duckdb") if plan.duckdb else MemoryStore()


class Place:
    """Directory of all simulations of this process, one after the other, in memory if possible."""

    def __init__(self) -> None:
        memory = Path("/dev/shm")
        self._directory = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.root = Path(self._directory.name) / "site"
        self.template = Path(self._directory.name) / STATE_FILE
        open_state_store(f"sqlite:///{self.template}").close()

    def clear(self) -> Path:
        """Make it empty."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir()
        return self.root


@lru_cache(maxsize=1)
def place() -> Place:
    """Place of this process; it goes with the process."""
    return Place()


@contextlib.contextmanager
def _surroundings(plan: Plan) -> Iterator[Path]:
    room = SMALL_ROOM if Fault.SMALL_ROOM in plan else chain_module.PENDING_MAX
    with mock.patch.object(chain_module, "PENDING_MAX", room), capture_logs():
        yield place().clear()


def _live(world: World, plan: Plan, machine: Machine) -> list[Device]:
    """Let the world run with its faults, and then come to rest; return the devices."""
    devices = make_devices(world, plan, machine.broker)
    machine.start()
    schedule(world, plan, machine, devices)
    world.run(plan.duration_s)
    machine.calm()
    world.say("world", "calm")

    def drained() -> bool:
        chain = machine.ingest.chain
        waiting = machine.broker.backlog() + sum(d.publisher.backlog() for d in devices)
        stats = {} if chain is None else chain.stats()
        return not waiting and bool(stats) and stats["connected"] > stats["pending"]

    world.run(plan.duration_s + QUIET_S, drained)
    require(drained(), f"not drained: {machine.state_of_things(devices)}")
    if machine.broker.dropped_total:
        world.run(world.now_s + DROPS_EVERY_S + 2.0)
    machine.ingest.stop()
    reader = JournalReader(machine.root / "journal")
    last = reader.last_position()
    reader.close()
    core = machine.core
    world.run(world.now_s + QUIET_S, lambda: core.reached(last))
    require(core.reached(last), f"the pipeline stands before {last}")
    return devices


def _judge(world: World, plan: Plan, machine: Machine, devices: list[Device]) -> None:
    pipeline, state = machine.core.finish()
    machine.disk.verify()
    journal = invariants.Journal.read(machine.root / "journal")
    ingest = machine.ingest
    invariants.nothing_lost(journal, machine.broker, machine.shed, ingest.shed_untold)
    invariants.losses_told(journal, machine.broker, ingest.sessions_untold)
    invariants.gaps_named(journal, pipeline)
    invariants.stored_once(journal, plan, machine.store, pipeline.counters)
    results = invariants.results_of(plan, machine.store, state)
    invariants.same_as_replay(results, _replayed(plan, machine.root))
    invariants.dangers_found(journal, plan, devices, results["incidents"].values())
    world.say("VERDICT", f"ok, {len(journal.frames)} frames, {results['findings']}")


def _replayed(plan: Plan, root: Path) -> dict[str, object]:
    """Results of an undisturbed pipeline on the final journal."""
    (root / "replay").mkdir()
    shutil.copy(root / "registry.sqlite", root / "replay" / STATE_FILE)
    state, telemetry = open_state(root / "replay"), MemoryStore()
    reader = JournalReader(root / "journal")
    try:
        pipeline = Pipeline(
            reader=reader,
            telemetry=telemetry,
            state=state,
            commit_interval_s=1e6,
            snapshot_interval_s=1e6,
        )
        while pipeline.step():
            pass
        pipeline.finish()
        return invariants.results_of(plan, telemetry, state)
    finally:
        reader.close()
        state.close()


def simulate(
    seed: int, build: Build | None = None, show: Callable[[str], None] | None = None
) -> Outcome:
    """Run one seed; never raises for an invariant."""
    build = build or Build()
    plan = plan_of(seed)
    world = World(seed, show)
    with _surroundings(plan) as root:
        machine = Machine(world, plan, root, build)
        violation = ""
        try:
            with build.patches():
                devices = _live(world, plan, machine)
            _judge(world, plan, machine, devices)
        except InvariantError as error:
            violation = str(error)
            world.say("VERDICT", violation)
        except Exception as error:  # noqa: BLE001  whatever the code under test raises is a violation
            violation = f"{type(error).__name__}: {error}"
            world.say("VERDICT", "".join(traceback.format_exception(error)))
        finally:
            machine.ingest.stop()
            machine.core.stop()
            machine.store.close()
    return Outcome(
        seed=seed,
        plan=plan,
        violation=violation,
        trace=world.trace_id(),
        messages=len(machine.broker.published),
        kills=machine.kills,
        untold=machine.ingest.sessions_untold + machine.ingest.shed_untold,
    )
