"""The loader: brings decoded rows into the telemetry store, and catches up out of the journal.

The journal is the spool. While the store works, the loader stores the rows that the pipeline has
decoded. While it is away, the newest of them are held within limits; older ones are dropped from
memory, because they can be decoded again: decoding is a pure function of a snapshot and the frames
after it. When the store is back, a decoder of the loader's own does that in bounded steps, up to
the rows that are still held. Detection never waits for any of it.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from domain.equipment import Fleet
from domain.errors import DependencyError
from domain.instants import NS_PER_S
from domain.messages import Frame
from domain.ports import TelemetryStore
from domain.readings import ReadingBatch
from ingest.decoder import Decoder
from ingest.journal import JournalError, JournalRewoundError
from runtime.frames import Frames
from runtime.snapshots import Snapshots

HELD_ROWS_MAX = 100_000
"""Rows held for the store (about 200 bytes each); the newest step is held whatever its size."""

HELD_STEPS_MAX = 2_000
"""Steps of the pipeline whose rows are held: few rows a step cost more memory than their own."""

LOAD_ROWS = 20_000
"""Rows after which one append is full."""

CATCH_UP_MESSAGES = 2_000
"""Messages that one step of catching up decodes, so that detection keeps its share of the time."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far the telemetry store is behind the pipeline.

    Parameters
    ----------
    frames
        Journal frames applied by the pipeline and not stored.
    behind_s
        Received time between the newest of them and what is stored [s].
    known
        ``False`` while the store has not said since our start how far it is: then both are the
        least that is missing.
    """

    frames: int
    behind_s: float
    known: bool


@dataclass(frozen=True, slots=True)
class _Load:
    """Rows of consecutive frames up to a position, and when its frame was received."""

    batches: tuple[ReadingBatch, ...]
    position: int
    received_at_ns: int
    rows: int


class Loader:
    """Stores rows of all frames up to the pipeline's position, each once.

    `offer` is the pipeline's side; `step` may be called from another thread.

    Parameters
    ----------
    frames
        The journal; of the loader's own when another thread runs `step`.
    snapshots
        Where catching up begins; ``None`` = at the journal's start.
    position
        Frame after which the pipeline begins to offer.

    Attributes
    ----------
    error
        Why the store or the journal does not work at the moment, empty when it does.
    failures, dropped_rows
        Steps that failed, and rows dropped from memory to be decoded again.
    """

    def __init__(
        self,
        *,
        frames: Frames,
        telemetry: TelemetryStore,
        snapshots: Snapshots | None,
        fleet: Fleet,
        position: int,
    ) -> None:
        self.error = ""
        self.failures = 0
        self.dropped_rows = 0
        self._frames = frames
        self._telemetry = telemetry
        self._snapshots = snapshots
        self._fleet = fleet
        self._lock = threading.Lock()
        self._held: deque[_Load] = deque()
        self._held_rows = 0
        self._held_after = self._first_position = self._newest_position = position
        self._first_ns = self._newest_ns = self._stored_ns = 0
        self._stored: int | None = None
        self._unstored: _Load | None = None
        self._decoder: Decoder | None = None
        self._decoder_fleet = fleet
        self._read_position = 0

    @property
    def newest_ns(self) -> int:
        """Received time of the newest frame offered; 0 before the first."""
        return self._newest_ns

    @property
    def held_rows(self) -> int:
        """Rows held for the store."""
        return self._held_rows

    @property
    def behind(self) -> bool:
        """Whether rows are missing that are not held and must come out of the journal."""
        unstored = self._unstored
        reached = self._stored if unstored is None else unstored.position
        return reached is not None and reached < self._held_after

    def lag(self) -> Lag:
        """How far the store is behind."""
        known = self._stored is not None
        stored = self._first_position if self._stored is None else self._stored
        frames = max(0, self._newest_position - stored)
        since_ns = self._stored_ns if known else self._first_ns
        behind_ns = self._newest_ns - since_ns if frames and since_ns else 0
        return Lag(frames=frames, behind_s=max(0, behind_ns) / NS_PER_S, known=known)

    def needed_position(self) -> int:
        """Position whose snapshot the loader may still have to begin from."""
        if self._stored is not None:
            return self._stored
        # What was needed before our start is the oldest one that was kept.
        return 0 if self._snapshots is None else self._snapshots.oldest_position()

    def set_fleet(self, fleet: Fleet) -> None:
        """Take over a changed registry."""
        self._fleet = fleet

    def offer(self, batches: Sequence[ReadingBatch], frames: Sequence[Frame]) -> None:
        """Hold the rows of frames, at least one, that follow those of the last offer."""
        position, received_at_ns = frames[-1].position, frames[-1].received_at_ns
        rows = sum(map(len, batches))
        with self._lock:
            self._first_ns = self._first_ns or frames[0].received_at_ns
            self._newest_position, self._newest_ns = position, received_at_ns
            if not rows and self._held:
                last = self._held.pop()
                self._held.append(_Load(last.batches, position, received_at_ns, last.rows))
                return
            self._held.append(_Load(tuple(batches), position, received_at_ns, rows))
            self._held_rows += rows
            while len(self._held) > 1 and self._too_many():
                self.dropped_rows += self._pop().rows

    def step(self) -> bool:
        """Store what comes next, within a bounded number of rows; say whether more is waiting.

        Raises
        ------
        DependencyError, JournalError
            If the store or the journal does not work; `error` says why until a step succeeds.
        """
        try:
            if self._stored is None:
                self._begin()
            if self._unstored is None:
                self._unstored = self._next()
            if self._unstored is not None:
                self._telemetry.append(self._unstored.batches, self._unstored.position)
        except (DependencyError, JournalError) as error:
            self._failed(str(error))
            raise
        if self._unstored is not None:
            self._has_stored(self._unstored)
        self._worked()
        return self.behind or bool(self._held)

    def drain(self) -> None:
        """Store everything that was offered; errors as `step`."""
        while self.step():
            pass

    def _has_stored(self, load: _Load) -> None:
        # A decoder restored at a snapshot goes through frames again that the store has already.
        if load.position >= (self._stored or 0):
            self._stored, self._stored_ns = load.position, load.received_at_ns
        self._unstored = None

    def _begin(self) -> None:
        """Learn how far the store is, and since when it misses rows."""
        stored = self._telemetry.position()
        # A journal that ends before it was replaced: its new frames would be skipped as stored.
        missing = self._frames.read(stored, 1)
        self._stored_ns = missing[0].received_at_ns if missing else self._newest_ns
        self._stored = stored
        _log.info("loader_restored", position=stored)

    def _next(self) -> _Load | None:
        with self._lock:
            if not self.behind:
                self._decoder = None
                return self._from_held()
            until = self._held_after
        return self._from_journal(until)

    def _from_held(self) -> _Load | None:
        taken: list[_Load] = []
        rows = 0
        while self._held and rows < LOAD_ROWS:
            taken.append(self._pop())
            rows += taken[-1].rows
        if not taken:
            return None
        batches = tuple(batch for load in taken for batch in load.batches)
        return _Load(batches, taken[-1].position, taken[-1].received_at_ns, rows)

    def _from_journal(self, until: int) -> _Load:
        decoder = self._catching_up()
        read = self._frames.read(self._read_position, CATCH_UP_MESSAGES)
        if not read:
            raise JournalRewoundError(
                f"the journal ends at {self._read_position}, but {until} was already read from it"
            )
        frames = [frame for frame in read if frame.position <= until]
        if not frames:
            # The frames up to there are gone from the journal: the pipeline has counted them.
            return _Load((), until, self._newest_ns, 0)
        batches = decoder.decode(frames).batches
        self._read_position = frames[-1].position
        rows = sum(map(len, batches))
        return _Load(batches, self._read_position, frames[-1].received_at_ns, rows)

    def _catching_up(self) -> Decoder:
        """The loader's own decoder, restored at or before what is stored."""
        if self._decoder is None:
            self._decoder = self._restored(self._stored or 0)
        elif self._decoder_fleet is not self._fleet:
            self._decoder.set_fleet(self._fleet)
        self._decoder_fleet = self._fleet
        return self._decoder

    def _restored(self, stored: int) -> Decoder:
        decoder = Decoder(self._fleet)
        self._read_position = 0
        snapshot = None if self._snapshots is None else self._snapshots.newest(stored)
        if snapshot is not None:
            try:
                decoder.restore(snapshot.decoder)
                self._read_position = snapshot.position
            except (ValueError, KeyError) as error:
                decoder = Decoder(self._fleet)
                _log.warning("snapshot_of_another_version", error=str(error))
        _log.info("loader_catches_up", stored=stored, after=self._read_position)
        return decoder

    def _pop(self) -> _Load:
        load = self._held.popleft()
        self._held_rows -= load.rows
        self._held_after = load.position
        return load

    def _too_many(self) -> bool:
        return self._held_rows > HELD_ROWS_MAX or len(self._held) > HELD_STEPS_MAX

    def _failed(self, reason: str) -> None:
        self.failures += 1
        if not self.error:
            _log.warning("telemetry_away", error=reason)
        self.error = reason

    def _worked(self) -> None:
        if self.error:
            _log.info("telemetry_back", frames_behind=self.lag().frames)
        self.error = ""
