"""Children die and come back; one that only dies is given up; all end with the supervisor."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime import supervisor
from runtime.supervisor import RESTARTS_MAX, Child, ChildGaveUpError, Supervisor
from tests.support.brokers import eventually

SLEEPER = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


@pytest.fixture(autouse=True)
def _restored_signals() -> Iterator[None]:
    kept = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)}
    yield
    for signum, handler in kept.items():
        signal.signal(signum, handler)


def python(code: str) -> Callable[[], "subprocess.Popen[bytes]"]:
    return lambda: subprocess.Popen([sys.executable, "-c", code])


def pid(child: Child) -> int:
    assert child.process is not None
    return child.process.pid


def stop_when(condition: Callable[[], bool], timeout_s: float = 20.0) -> Callable[[], None]:
    """On every poll: end the supervisor by its signal once a condition holds."""
    deadline_s = time.monotonic() + timeout_s

    def poll() -> None:
        if condition() or time.monotonic() > deadline_s:
            os.kill(os.getpid(), signal.SIGTERM)

    return poll


def test_a_killed_child_is_started_again_and_the_others_go_on() -> None:
    victim, other = Child("victim", python(SLEEPER)), Child("other", python(SLEEPER))
    seen: set[int] = set()
    others: set[int] = set()

    def killed_twice() -> bool:
        others.add(pid(other))
        if pid(victim) not in seen:
            seen.add(pid(victim))
            os.kill(pid(victim), signal.SIGKILL)
        return len(seen) == 3

    Supervisor([victim, other]).run(stop_when(killed_twice))
    assert len(seen) == 3
    assert len(others) == 1


def test_sigterm_ends_every_child_the_last_one_first(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "import signal, sys, time\n"
        f"log = open({str(log)!r}, 'a')\n"
        "def stop(*_):\n"
        "    log.write(sys.argv[1]); log.close(); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        f"open({str(tmp_path)!r} + '/' + sys.argv[1], 'w').close()\n"
        "time.sleep(60)\n"
    )
    children = [
        Child(name, lambda name=name: subprocess.Popen([sys.executable, "-c", code, name]))  # type: ignore[misc]
        for name in "abc"
    ]
    Supervisor(children).run(stop_when(lambda: all((tmp_path / name).exists() for name in "abc")))
    assert log.read_text() == "cba"
    assert all(child.process is not None and child.process.poll() == 0 for child in children)


def test_a_child_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STOP_GRACE_S", 0.5)
    child = Child("stubborn", python(STUBBORN))
    started = time.monotonic()
    Supervisor([child]).run(stop_when(lambda: time.monotonic() - started > 1.0))
    assert child.process is not None
    assert child.process.returncode in (-signal.SIGKILL, -signal.SIGTERM)


def test_a_child_that_only_dies_is_given_up_and_the_others_are_ended() -> None:
    starts = 0

    def start() -> "subprocess.Popen[bytes]":
        nonlocal starts
        starts += 1
        process = subprocess.Popen(["/bin/false"])
        process.wait()
        return process

    other = Child("other", python(SLEEPER))
    with pytest.raises(ChildGaveUpError, match="broken died"):
        Supervisor([other, Child("broken", start)]).run()
    assert starts == RESTARTS_MAX + 1
    assert other.process is not None
    assert other.process.poll() is not None


def test_a_process_that_was_spawned_dies_with_its_parent(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    parent = (
        "import os, time\n"
        "from pathlib import Path\n"
        "from runtime.supervisor import spawn\n"
        f"process = spawn(['serve', '--data', {str(tmp_path / 'data')!r}, '--role', 'pipeline'],"
        " {'EQUIPWATCH_TELEMETRY__STORE': 'memory'})\n"
        f"Path({str(file)!r}).write_text(str(process.pid))\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stderr=subprocess.DEVNULL)
    assert eventually(lambda: file.exists() and bool(file.read_text()))
    child = int(file.read_text())
    process.kill()
    process.wait()
    assert eventually(lambda: not _lives(child), 20)


def _lives(process_id: int) -> bool:
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
