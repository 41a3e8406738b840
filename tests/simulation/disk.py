"""The disk of our machine: full at times, and at a power loss without what was not yet synced.

The files are real: SQLite writes them. A power loss while a commit runs is emulated on their bytes:
of each sector that differs before and after the commit, the old or the new one survives.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

from domain.messages import Message
from ingest import service
from ingest.journal import JournalReader, JournalWriter
from ingest.segments import JournalWriteError
from ingest.service import ServiceEventKind
from tests.simulation.broker import Sent
from tests.simulation.plan import Plan
from tests.simulation.world import World, require

SECTOR_BYTES = 512

T = TypeVar("T")

Image = dict[str, bytes]
"""Files of a directory by name."""


class ProcessKilled(BaseException):
    """The process died here; nothing in it runs any more."""


class PowerLost(ProcessKilled):
    """The machine lost its power while files were written.

    Parameters
    ----------
    directory, image
        What survived of the directory that was written.
    """

    def __init__(self, directory: Path, image: Image) -> None:
        super().__init__("power lost")
        self.directory = directory
        self.image = image


def image_of(directory: Path) -> Image:
    """Bytes of all files; SQLite builds its shared index anew, and locks end with the process."""
    return {
        path.name: path.read_bytes()
        for path in sorted(directory.iterdir())
        if path.is_file() and not path.name.endswith(("-shm", ".lock"))
    }


def restore(directory: Path, image: Image) -> None:
    """Let a directory hold these files and no others."""
    for path in directory.iterdir():
        if path.is_file():
            path.unlink()
    for name, data in image.items():
        (directory / name).write_bytes(data)


def torn(before: Image, after: Image, dice: Random) -> Image:
    """What a power loss may leave of a commit: something between the bytes before and after it.

    SQLite syncs its log before it writes the database, and a new file before it gives it its name:
    when a database changed, its log is whole.
    """
    databases = [name for name in after if not name.endswith("-wal")]
    added = [name for name in databases if name not in before]
    if added and dice.random() < 0.3:
        return before
    changed = [name for name in databases if name in before and before[name] != after[name]]
    image: Image = {}
    for name, data in after.items():
        whole = name in added or (changed and name.endswith("-wal"))
        image[name] = data if whole else _torn(before.get(name, b""), data, dice)
    return image


def _torn(before: bytes, after: bytes, dice: Random) -> bytes:
    if before == after:
        return after
    # Sometimes all of it, sometimes nothing, mostly something.
    share = dice.choice((0.0, 0.5, 0.9, 1.0))
    size = max(len(before), len(after)) if share == 1.0 or dice.random() < 0.7 else len(before)
    sectors = []
    for at in range(0, size, SECTOR_BYTES):
        old, new = before[at : at + SECTOR_BYTES], after[at : at + SECTOR_BYTES]
        kept = new if dice.random() < share else old
        sectors.append(kept.ljust(min(SECTOR_BYTES, size - at), b"\0"))
    return b"".join(sectors)


class Trap:
    """Kills the process at one of the next calls of its ports, before, within or after the call.

    Parameters
    ----------
    directory
        Files that a power loss within a call would tear.
    """

    def __init__(self, world: World, name: str, directory: Path) -> None:
        self._world = world
        self._name = name
        self._dice = world.dice(f"trap/{name}")
        self._directory = directory
        self._calls_left = -1
        self._power = False

    def arm(self, *, power: bool) -> None:
        """Kill at one of the next calls."""
        self._calls_left = self._dice.randrange(12)
        self._power = power

    def disarm(self) -> None:
        """Let the process live."""
        self._calls_left = -1

    def call(self, port: str, action: Callable[[], T]) -> T:
        """Call a port, unless the process dies of it."""
        self._calls_left -= self._calls_left >= 0
        if self._calls_left != 0:
            return action()
        self._calls_left = -1
        if self._power:
            self._world.say(self._name, f"power lost in {port}")
            before = image_of(self._directory)
            action()
            raise PowerLost(self._directory, torn(before, image_of(self._directory), self._dice))
        after = self._dice.random() < 0.5
        self._world.say(self._name, f"killed {'after' if after else 'before'} {port}")
        if after:
            action()
        raise ProcessKilled(port)


class Disk:
    """What is durable, as the simulation knows it and as the files tell it.

    Attributes
    ----------
    full
        Commits fail.
    share
        Share of the journal's budget in use, as ingest measures it.
    durable
        Messages of frames whose commit returned, with the position of the first such frame.
    ticked_ns
        True time of the last tick.
    sessions_told
        Durable events of a lost session.
    """

    def __init__(self, world: World, plan: Plan, directory: Path) -> None:
        self.full = False
        self.share = 0.0
        self.durable: dict[Sent, int] = {}
        self.directory = directory
        self.ticked_ns = 0
        self.sessions_told = 0
        self._returned: dict[int, int] = {}
        self._world = world
        self._plan = plan
        self._dice = world.dice("disk")

    def open(self, trap: Trap) -> "DiskWriter":
        """Open the real journal; it fails while the disk is full."""
        if self.full and self._dice.random() < 0.5:
            raise JournalWriteError("simulated: no space left to open")
        opened: list[JournalWriter] = []

        def open_real() -> JournalWriter:
            size = self._dice.choice((4_000, 1 << 30))
            seconds, directory = self._plan.segment_s, self.directory
            opened.append(JournalWriter(directory, segment_s=seconds, segment_bytes_max=size))
            return opened[0]

        try:
            writer = trap.call("journal.open", open_real)
        except ProcessKilled:
            for held in opened:
                held.close()
            raise
        return DiskWriter(self, writer, trap)

    def commit(self, write: Callable[[], int], messages: Sequence[Message]) -> int:
        """Commit a frame; on return it is durable. A failure may leave it there or not."""
        self._world.wait(self._dice.choice((0.0, 0.001, 0.02)))
        full = self.full
        if full and self._dice.random() < 0.5:
            raise JournalWriteError("simulated: no space left on device")
        position = write()
        self._returned[position] = len(messages)
        for message in messages:
            self.durable.setdefault(Sent(message.topic, message.payload), position)
            self.sessions_told += _says_session_lost(message)
        if full:
            raise JournalWriteError("simulated: no answer from the device")
        self._world.wait(self._dice.choice((0.0, 0.001, 0.02)))
        return position

    def ticked(self) -> None:
        """Remember the true time of a tick."""
        self.ticked_ns = self._world.now_ns

    def verify(self) -> None:
        """Check with the real files that every commit that returned is there."""
        reader = JournalReader(self.directory)
        try:
            found: dict[int, int] = {}
            while frames := reader.read(max(found, default=0), 100_000):
                found.update((frame.position, len(frame.messages)) for frame in frames)
        finally:
            reader.close()
        for position, count in self._returned.items():
            require(found.get(position) == count, f"frame {position} was durable and is gone")


def _says_session_lost(message: Message) -> bool:
    if message.topic != service.TOPIC:
        return False
    return service.event_of(message).kind is ServiceEventKind.SESSION_LOST


class DiskWriter:
    """`ingest.chain.FrameWriter` on the simulated disk: the real writer behind the trap."""

    def __init__(self, disk: Disk, writer: JournalWriter, trap: Trap) -> None:
        self._disk = disk
        self._writer = writer
        self._trap = trap

    @property
    def last_position(self) -> int:
        """As the real writer says."""
        return self._writer.last_position

    @property
    def messages(self) -> int:
        """As the real writer says."""
        return self._writer.messages

    def append(self, messages: Sequence[Message], received_at_ns: int) -> int:
        """Commit a frame."""

        def write() -> int:
            return self._writer.append(messages, received_at_ns)

        return self._disk.commit(lambda: self._trap.call("journal.append", write), messages)

    def tick(self, now_ns: int) -> int:
        """Commit a tick."""

        def write() -> int:
            return self._writer.tick(now_ns)

        position = self._disk.commit(lambda: self._trap.call("journal.tick", write), ())
        self._disk.ticked()
        return position

    def close(self) -> None:
        """Close the real writer."""
        self._writer.close()


def drop_newest_snapshot(directory: Path, dice: Random) -> None:
    """What a power loss may do to a file whose name was not yet synced."""
    files = sorted(directory.glob("*.snapshot"))
    if files and dice.random() < 0.5:
        files[-1].unlink()
