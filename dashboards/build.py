"""Generated dashboard files: write them, or say which are out of date."""

import json
from collections.abc import Mapping
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import GENERATED, district, lift

_DASHBOARDS = {"district.json": district.dashboard, "lift.json": lift.dashboard}


def render() -> Mapping[str, str]:
    """Text of every generated file by name."""
    return {
        name: json.dumps(make().build(), cls=JSONEncoder, ensure_ascii=False, indent=1) + "\n"
        for name, make in _DASHBOARDS.items()
    }


def write(directory: Path = GENERATED) -> list[str]:
    """Write all files; return their names."""
    directory.mkdir(exist_ok=True)
    files = render()
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    return sorted(files)


def outdated(directory: Path = GENERATED) -> list[str]:
    """Names of files that are missing or differ from what the code makes."""
    return sorted(
        name
        for name, text in render().items()
        if not (directory / name).is_file()
        or (directory / name).read_text(encoding="utf-8") != text
    )
