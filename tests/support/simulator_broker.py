"""A real mosquitto on a free port, for tests of the simulators' publisher."""

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
MOSQUITTO_PASSWD = shutil.which("mosquitto_passwd")

START_S = 10.0


def free_port() -> int:
    """Port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_config(directory: Path, port: int, passwords: Mapping[str, str]) -> Path:
    """Write a configuration with logins when there are any, else with anonymous access."""
    lines = [
        f"listener {port} 127.0.0.1",
        f"user {getpass.getuser()}",
        "persistence false",
        "max_queued_messages 0",
    ]
    if passwords:
        assert MOSQUITTO_PASSWD is not None
        file = directory / "passwords"
        file.write_text("".join(f"{name}:{word}\n" for name, word in passwords.items()))
        file.chmod(0o600)
        subprocess.run([MOSQUITTO_PASSWD, "-U", str(file)], check=True, capture_output=True)
        file.chmod(0o644)
        lines += ["allow_anonymous false", f"password_file {file}"]
    else:
        lines.append("allow_anonymous true")
    config = directory / "mosquitto.conf"
    config.write_text("\n".join(lines) + "\n")
    return config


@contextmanager
def mosquitto(config: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run mosquitto until the block ends."""
    assert MOSQUITTO is not None
    process = subprocess.Popen(
        [MOSQUITTO, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port, process)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=START_S)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise RuntimeError(f"mosquitto ended with code {process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=0.2):
                return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("mosquitto does not listen")
