"""docs/detectors.md has a section for every detector and a row for every parameter."""

import dataclasses
import re
from pathlib import Path

import pytest

from detectors import catalog, clock, silence

PAGE = (Path(__file__).parents[2] / "docs" / "detectors.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
ROW = re.compile(r"^\| `(\w+)` \| (\S+) \| (\S+) \| [^|]+ \| (?:V2|C|D|M|O) \|$", re.MULTILINE)
NAMES = catalog.names()


def test_every_detector_has_a_section() -> None:
    assert set(SECTIONS) == {*NAMES, silence.NAME, clock.NAME}
    assert all("fails" in text or "says nothing" in text for text in SECTIONS.values())


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_has_a_row_with_its_default(name: str) -> None:
    documented = {row[0]: float(row[1]) for row in ROW.findall(SECTIONS[name])}
    parameters = catalog.parameters_of(name, {})
    assert documented == dataclasses.asdict(parameters)
