"""What a linter cannot say about the tree."""

import re
import subprocess
from pathlib import Path

import pytest

from domain.channels import CHANNELS
from domain.incidents import KIND_NAMES, IncidentKind

ROOT = Path(__file__).parents[1]
FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 500
PACKAGES = (
    "api",
    "dashboards",
    "detectors",
    "dispatch",
    "domain",
    "ingest",
    "runtime",
    "simulators",
    "storage",
)


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout: which files belong to the project is not known")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_modules_stay_readable() -> None:
    modules = [path for path in tracked() if path.suffix == ".py" and path.parts[-2] != "tests"]
    long = {
        str(path.relative_to(ROOT)): lines
        for path in modules
        if path.relative_to(ROOT).parts[0] in PACKAGES
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) > MODULE_LINES_MAX
    }
    assert not long


def test_no_unfinished_markers() -> None:
    marker = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in tracked()
        if path.suffix in {".py", ".js", ".html", ".md"} and path != Path(__file__)
        for line in path.read_text(encoding="utf-8").splitlines()
        if marker.search(line)
    ]
    assert not found


def test_the_contract_page_lists_every_channel_and_kind() -> None:
    page = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    missing = [
        channel.name
        for channels in CHANNELS.values()
        for channel in channels
        if f"`{channel.name}`" not in page
    ]
    missing += [kind for kind in IncidentKind if f"`{kind}`" not in page]
    assert not missing
    assert set(KIND_NAMES) == set(IncidentKind)


def test_every_package_is_in_the_architecture_page() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert not [package for package in PACKAGES if f"{package}/" not in page]


def test_paths_named_in_the_architecture_page_exist() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = re.findall(rf"`((?:{'|'.join(PACKAGES)})/[\w./]*)`", page)
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]
