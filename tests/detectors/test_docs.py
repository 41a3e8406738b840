"""docs/detectors.md has a section for every detector and a row for every parameter."""

import dataclasses
import re
from pathlib import Path

import pytest

from detectors import clock, silence
from detectors.catalog import CODES_SETTINGS, STAGED
from detectors.codes import CodesParameters

PAGE = (Path(__file__).parents[2] / "docs" / "detectors.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
ROW = re.compile(r"^\| `(\w+)` \| (\S+) \| (\S+) \| [^|]+ \| (?:V2|C|D|M|O) \|$", re.MULTILINE)
PARAMETERS = {name: parameters for name, (parameters, _) in STAGED.items()}
PARAMETERS[CODES_SETTINGS] = CodesParameters


def test_every_detector_has_a_section() -> None:
    assert set(SECTIONS) == {*PARAMETERS, silence.NAME, clock.NAME}
    assert all("fails" in text or "says nothing" in text for text in SECTIONS.values())


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_every_parameter_has_a_row_with_its_default(name: str) -> None:
    documented = {row[0]: float(row[1]) for row in ROW.findall(SECTIONS[name])}
    assert documented == {
        field.name: field.default for field in dataclasses.fields(PARAMETERS[name])
    }
