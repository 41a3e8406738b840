"""A copy of the detectors to which one more is added, and a process of its own that runs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 60


def copied(directory: Path) -> Path:
    """Copy the package of the detectors into a directory; return where it is now."""
    tree = directory / "detectors"
    shutil.copytree(ROOT / "detectors", tree, ignore=shutil.ignore_patterns("__pycache__"))
    return tree


def add_line(catalogue: Path, module: str, names: str, table: str, line: str) -> None:
    """Add a line, with the import of what it names, to a table of a catalogue."""
    text = catalogue.read_text(encoding="utf-8")
    before, head, after = text.partition(f"\n{table}:")
    first, opening, rest = after.partition("\n")
    catalogue.write_text(
        f"{before}\nfrom {module} import {names}\n{head}{first}{opening}{line}{rest}",
        encoding="utf-8",
    )


def probe(directory: Path, script: str) -> None:
    """Run a script that finds the copied package before the real one."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(directory), str(ROOT)))}
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        env=environment,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
