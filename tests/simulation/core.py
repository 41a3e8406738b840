"""The core process: the production pipeline on the real journal and stores that fail."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from domain.errors import DependencyError
from domain.messages import Frame
from domain.ports import StateStore, StateTransaction, TelemetryStore
from domain.readings import ReadingBatch
from ingest.journal import JournalReader
from runtime.pipeline import CONSUMER, Pipeline
from runtime.snapshots import NOTHING_LAGS, Snapshot, SnapshotDirectory
from storage.state import SqlStateStore
from storage.state.engines import Engines, open_engines
from tests.simulation.disk import ProcessKilled, Trap
from tests.simulation.plan import Plan
from tests.simulation.world import World, require

COMMIT_S = 10.0
STATE_FILE = "state.sqlite"


def open_state(directory: Path) -> SqlStateStore:
    """Open a state store whose tables are made already."""
    return SqlStateStore(_engines(directory))


@lru_cache(maxsize=4)
def _engines(directory: Path) -> Engines:
    """Engines of a place that every simulation uses anew: they remember compiled statements."""
    return open_engines(f"sqlite:///{directory / STATE_FILE}")


class SeenFrames:
    """Every frame that was ever read: a position never tells another story."""

    def __init__(self) -> None:
        self._frames: dict[int, Frame] = {}

    def check(self, frames: Sequence[Frame]) -> None:
        """Take frames in."""
        for frame in frames:
            known = self._frames.setdefault(frame.position, frame)
            require(known == frame, f"frame {frame.position} has changed")


class _Reader:
    def __init__(self, reader: JournalReader, trap: Trap, seen: SeenFrames) -> None:
        self._reader = reader
        self._trap = trap
        self._seen = seen

    def read(self, after_position: int, limit_messages: int) -> list[Frame]:
        frames = self._trap.call(
            "journal.read", lambda: self._reader.read(after_position, limit_messages)
        )
        self._seen.check(frames)
        return frames

    def close(self) -> None:
        self._reader.close()


class FaultyTelemetry:
    """A telemetry store that is away at times, and whose process may die of a call.

    Attributes
    ----------
    away
        Appends fail, half of them after they took effect.
    """

    def __init__(self, world: World, store: TelemetryStore, trap: Trap) -> None:
        self.away = False
        self.store = store
        self._trap = trap
        self._dice = world.dice("telemetry")
        self._highest = 0

    def append(self, batches: Sequence[ReadingBatch], position: int) -> None:
        """Store, or fail."""
        lost_answer = self.away and self._dice.random() < 0.3
        if not self.away or lost_answer:
            self._trap.call("telemetry.append", lambda: self.store.append(batches, position))
        if self.away:
            raise DependencyError("simulated: the telemetry store is away")

    def position(self) -> int:
        """Position, which never goes backwards."""
        if self.away:
            raise DependencyError("simulated: the telemetry store is away")
        position = self.store.position()
        require(position >= self._highest, "the telemetry store's position went backwards")
        self._highest = position
        return position

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


class FaultyState:
    """The real state store, which is away at times, and whose process may die at a commit."""

    def __init__(self, world: World, store: StateStore, trap: Trap) -> None:
        self.away = False
        self._store = store
        self._trap = trap
        self._dice = world.dice("state")

    @contextmanager
    def writing(self) -> Iterator[StateTransaction]:
        """Begin a transaction that may not commit, or commit without an answer."""
        lost_answer = self.away and self._dice.random() < 0.3
        if self.away and not lost_answer:
            raise DependencyError("simulated: the state store is away")
        block = self._store.writing()
        open_ = True

        def commit() -> None:
            nonlocal open_
            open_ = False
            block.__exit__(None, None, None)

        tx = block.__enter__()
        try:
            yield tx
            self._trap.call("state.commit", commit)
        except BaseException:
            if open_:
                block.__exit__(*sys.exc_info())
            raise
        if lost_answer:
            raise DependencyError("simulated: the state store's answer was lost")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class _Snapshots:
    def __init__(self, directory: SnapshotDirectory, trap: Trap) -> None:
        self._directory = directory
        self._trap = trap

    def save(self, snapshot: Snapshot, slowest_position: int = NOTHING_LAGS) -> None:
        self._trap.call("snapshot.save", lambda: self._directory.save(snapshot, slowest_position))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._directory, name)


class CoreProcess:
    """One machine's core process, over all its lives.

    Attributes
    ----------
    pipeline, state
        Those of the present life, ``None`` while the process is dead.
    offset
        Highest position that the state store has recorded.
    """

    def __init__(
        self,
        world: World,
        plan: Plan,
        root: Path,
        store: TelemetryStore,
        *,
        pipeline: type[Pipeline],
        on_death: Callable[[ProcessKilled], None],
    ) -> None:
        self.trap = Trap(world, "core", root / "state")
        self.telemetry = FaultyTelemetry(world, store, self.trap)
        self.pipeline: Pipeline | None = None
        self.state: FaultyState | None = None
        self.state_away = False
        self.seen = SeenFrames()
        self.offset = 0
        self._world = world
        self._plan = plan
        self._root = root
        self._make = pipeline
        self._on_death = on_death
        self._dice = world.dice("core")
        self._readers: list[_Reader] = []
        self._life = 0

    def start(self) -> None:
        """Begin, unless it runs."""
        if self.state is None:
            self._world.say("core", "start")
            self._turn(self._life)

    def stop(self) -> None:
        """Die; the system closes what a dead process held."""
        self._life += 1
        for reader in self._readers:
            reader.close()
        self._readers = []
        if self.state is not None:
            self.state.close()
            self._world.say("core", "dead")
        self.pipeline = self.state = None

    def set_state_away(self, *, away: bool) -> None:
        """Let the state store be away, or back."""
        self.state_away = away
        if self.state is not None:
            self.state.away = away

    def check(self) -> None:
        """Check that the recorded position never goes backwards."""
        if self.state is None:
            return
        with self.state.reading() as tx:
            offset = tx.offsets.get(CONSUMER)
        require(offset >= self.offset, f"the offset went back from {self.offset} to {offset}")
        self.offset = offset
        self.telemetry.store.position()

    def reached(self, position: int) -> bool:
        """Whether everything up to a position is applied."""
        return self.pipeline is not None and self.pipeline.position >= position

    def finish(self) -> tuple[Pipeline, StateStore]:
        """Record everything that is applied, as a stop does."""
        pipeline, state = self.pipeline, self.state
        require(pipeline is not None and state is not None, "the core is dead")
        assert pipeline is not None
        assert state is not None
        pipeline.finish()
        return pipeline, state

    def _begin(self) -> Pipeline:
        state = open_state(self._root / "state")
        self.state = FaultyState(self._world, state, self.trap)
        self.state.away = self.state_away
        self._readers = [self._reader() for _ in range(1 + self._plan.loads_apart)]
        return self._make(
            reader=self._readers[0],
            loader_reader=self._readers[1] if self._plan.loads_apart else None,
            telemetry=self.telemetry,
            state=self.state,
            snapshots=_Snapshots(SnapshotDirectory(self._root / "snapshots"), self.trap),
            batch_messages=self._plan.batch_messages,
            commit_interval_s=COMMIT_S,
            snapshot_interval_s=self._plan.snapshot_s,
        )

    def _reader(self) -> _Reader:
        return _Reader(JournalReader(self._root / "journal"), self.trap, self.seen)

    def _turn(self, life: int) -> None:
        self._alive(life, lambda: self._step(life))

    def _step(self, life: int) -> None:
        if self.pipeline is None:
            self.pipeline = self._begin()
            self.check()
            if self._plan.loads_apart:
                self._world.after(0.0, lambda: self._load(life), process=True)
        wait_s = self._dice.uniform(0.5, 3.0)
        try:
            if self.pipeline.step():
                wait_s = self._dice.choice((0.01, 0.3))
        except DependencyError as error:
            self._world.say("core", f"waits: {error}")
        self._world.after(wait_s, lambda: self._turn(life), process=True)

    def _load(self, life: int) -> None:
        self._alive(life, lambda: self._load_step(life))

    def _load_step(self, life: int) -> None:
        wait_s = self._dice.uniform(0.5, 4.0)
        try:
            if self.pipeline is not None and self.pipeline.loader.step():
                wait_s = 0.05
        except DependencyError as error:
            self._world.say("loader", f"waits: {error}")
        self._world.after(wait_s, lambda: self._load(life), process=True)

    def _alive(self, life: int, action: Callable[[], None]) -> None:
        if life != self._life:
            return
        try:
            action()
        except ProcessKilled as killed:
            self._on_death(killed)
