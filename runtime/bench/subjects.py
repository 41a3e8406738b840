"""What is measured: the bare subscriber, our ingest, and ingest with the core, as processes."""

import multiprocessing
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import SpawnProcess
from typing import Protocol

import msgspec

from domain.errors import DependencyError
from domain.ports import StateStore
from ingest import topics
from ingest.journal import JournalReader
from runtime.bench.bare import Address, forget_session, run_bare
from runtime.pipeline import CONSUMER
from runtime.settings import IngestSettings, load
from runtime.site import Site
from runtime.supervisor import spawn
from runtime.wiring import open_state

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
_POLL_S = 0.01
_FIRST_MESSAGES_MAX = 10_000
_LAST_WORDS_CHARACTERS = 2_000


class Subject(Protocol):
    """One way to receive messages, in processes of its own."""

    def start(self) -> None:
        """Start the processes and return once they subscribe."""

    def pause(self) -> None:
        """End the process that receives; the broker queues for its session."""

    def resume(self) -> None:
        """Start that process again, and do not wait for it."""

    def check(self) -> None:
        """Raise `DependencyError` when a process has ended by itself."""

    def pids(self) -> Sequence[int]:
        """Processes whose cost counts."""

    def received(self) -> int:
        """Messages that the broker need not keep any more, since the session was made."""

    def first_ns(self) -> int:
        """Instant at which the first message arrived."""

    def done(self) -> int:
        """Messages finished."""

    def discard(self) -> None:
        """End processes and session, and delete what they stored."""


class BareSubject:
    """The floor of `runtime.bench.bare`; a message is finished when it is acknowledged."""

    def __init__(self, address: Address, settings: IngestSettings) -> None:
        self._address = address
        self._settings = settings
        self._context = multiprocessing.get_context("spawn")
        self._subscribed = self._context.Value("q", 0)
        self._first_ns = self._context.Value("q", 0)
        self._acknowledged = self._context.Value("q", 0)
        self._process = self._made()

    def start(self) -> None:
        """Start the process and wait for its SUBACK."""
        self._process.start()
        wait_until(lambda: self._subscribed.value > 0, START_TIMEOUT_S, self.check)

    def pause(self) -> None:
        """End the process."""
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(STOP_TIMEOUT_S)

    def resume(self) -> None:
        """Start another process on the same session."""
        self._process = self._made()
        self._process.start()

    def check(self) -> None:
        """Raise `DependencyError` when the process has ended by itself."""
        if not self._process.is_alive():
            raise DependencyError("the bare subscriber ended by itself")

    def pids(self) -> Sequence[int]:
        """The one process."""
        return () if self._process.pid is None else (self._process.pid,)

    def received(self) -> int:
        """Messages acknowledged."""
        return int(self._acknowledged.value)

    def first_ns(self) -> int:
        """When the first messages were taken up."""
        return int(self._first_ns.value)

    def done(self) -> int:
        """Messages acknowledged."""
        return self.received()

    def discard(self) -> None:
        """End process and session."""
        self.pause()
        forget_session(self._address)

    def _made(self) -> SpawnProcess:
        arguments = (
            self._address,
            self._settings,
            self._subscribed,
            self._first_ns,
            self._acknowledged,
        )
        return self._context.Process(target=run_bare, args=arguments)


class ServiceSubject:
    """Our processes on a data directory of their own.

    Parameters
    ----------
    site
        With the registry of the load.
    core
        Roles of the core process; empty = ingest alone, and a message is finished when it is in the
        journal. With a core it is finished when pipeline and stores have recorded it.
    environment
        Settings of the processes.
    """

    def __init__(
        self,
        site: Site,
        address: Address,
        *,
        core: Sequence[str],
        environment: Mapping[str, str],
    ) -> None:
        self._site = site
        self._address = address
        self._roles = core
        self._environment = environment
        self._ingest: subprocess.Popen[bytes] | None = None
        self._core: subprocess.Popen[bytes] | None = None
        self._reader = JournalReader(site.journal)
        self._state = open_state(load(site.root), site)

    @property
    def site(self) -> Site:
        """Data directory."""
        return self._site

    @property
    def state(self) -> StateStore:
        """State store of the directory."""
        return self._state

    def start(self) -> None:
        """Start the processes, the core first, and wait until they work."""
        if self._roles:
            self._core = self._spawn(self._roles)
        self.resume()
        wait_until(self._works, START_TIMEOUT_S, self.check)

    def pause(self) -> None:
        """End ingest."""
        _end(self._ingest)

    def resume(self) -> None:
        """Start ingest."""
        self._site.ingest_stats.unlink(missing_ok=True)
        self._ingest = self._spawn(("ingest",))

    def stop(self) -> None:
        """End the processes, ingest first; the data stay."""
        _end(self._ingest)
        _end(self._core)

    def check(self) -> None:
        """Raise `DependencyError` with its last words when a process has ended by itself."""
        for process in self._processes():
            if process.poll() is not None:
                raise DependencyError(f"process {process.pid} ended: {self._last_words()}")

    def pids(self) -> Sequence[int]:
        """Ingest, and the core when there is one."""
        return tuple(process.pid for process in self._processes())

    def received(self) -> int:
        """Messages in the journal."""
        return self._reader.counts()

    def first_ns(self) -> int:
        """Received time of the first message in the journal that a device sent."""
        for frame in self._reader.read(0, _FIRST_MESSAGES_MAX):
            for message in frame.messages:
                if topics.sender(message.topic):
                    return message.received_at_ns
        raise DependencyError("no message has arrived")

    def done(self) -> int:
        """Messages in the journal, or recorded by the pipeline when there is one."""
        return self.counters().get("messages", 0) if self._roles else self.received()

    def counters(self) -> Mapping[str, int]:
        """Totals that the pipeline has recorded."""
        with self._state.reading() as tx:
            return tx.offsets.counters(CONSUMER)

    def discard(self) -> None:
        """End processes and session, and delete the data directory."""
        self.stop()
        self._reader.close()
        self._state.close()
        forget_session(self._address)
        shutil.rmtree(self._site.root)

    def _processes(self) -> list["subprocess.Popen[bytes]"]:
        return [process for process in (self._ingest, self._core) if process is not None]

    def _spawn(self, roles: Sequence[str]) -> "subprocess.Popen[bytes]":
        chosen = [argument for role in roles for argument in ("--role", role)]
        with (self._site.root / f"{roles[0]}.log").open("ab") as log:
            arguments = ["serve", "--data", str(self._site.root), *chosen]
            return spawn(arguments, self._environment, log=log)

    def _last_words(self) -> str:
        texts = [file.read_text(errors="replace") for file in self._site.root.glob("*.log")]
        return "\n".join(text[-_LAST_WORDS_CHARACTERS:] for text in texts)

    def _works(self) -> bool:
        """Whether ingest is connected, and the core has recorded a tick."""
        stats = self._site.ingest_stats
        if not stats.exists() or not msgspec.json.decode(stats.read_bytes()).get("connected"):
            return False
        return not self._roles or self._recorded() > 0

    def _recorded(self) -> int:
        with self._state.reading() as tx:
            return tx.offsets.get(CONSUMER)


def _end(process: "subprocess.Popen[bytes] | None") -> None:
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(reached: Callable[[], bool], timeout_s: float, check: Callable[[], None]) -> None:
    """Wait for a condition.

    Parameters
    ----------
    check
        Raises when there is nothing to wait for any more.

    Raises
    ------
    DependencyError
        If the time is over.
    """
    deadline_s = time.monotonic() + timeout_s
    while not reached():
        check()
        if time.monotonic() >= deadline_s:
            raise DependencyError(f"the benchmark waited {timeout_s:g} s in vain")
        time.sleep(_POLL_S)
