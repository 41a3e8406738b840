"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path,
    typer.Option("--data", help="Data directory of the installation.", envvar="EQUIPWATCH_DATA"),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]

DEFAULT_DATA = Path("data")
