"""``equipwatch replay``: recorded series and captured MQTT streams, to a broker or offline."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from domain.equipment import Kind
from runtime.commands.options import AsJson


class Times(StrEnum):
    """What the replayed ``ts`` of a CSV series says."""

    NONE = "none"
    BEGIN = "begin"
    END = "end"


def replay(
    file: Annotated[Path, typer.Argument(help="Capture (.jsonl) or series (.csv).")],
    registry: Annotated[
        Path | None, typer.Option(help="Registry CSV of the devices (offline captures need it).")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="Instant of t=0, ISO 8601; default now (offline: required).")
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0, help="Times real time; 0 = as fast as the broker takes it.")
    ] = 1.0,
    offline: Annotated[
        bool, typer.Option("--offline", help="Through journal and pipeline on a virtual clock.")
    ] = False,
    map_: Annotated[
        list[str] | None, typer.Option("--map", help="CSV: COLUMN=CHANNEL[*FACTOR][+OFFSET].")
    ] = None,
    kind: Annotated[Kind, typer.Option(help="CSV: kind of the device.")] = Kind.BOILER,
    equipment: Annotated[str, typer.Option(help="CSV: id of the device.")] = "",
    timestamp_column: Annotated[str, typer.Option(help="CSV: column of the times.")] = "timestamp",
    times: Annotated[
        Times, typer.Option(help="CSV: recorded times, or moved to begin or end now.")
    ] = Times.END,
    broker: Annotated[
        str, typer.Option(help="Broker address; default: the service running on --data.")
    ] = "",
    passwords: Annotated[
        Path | None, typer.Option(help="CSV username,password; default: those of --data.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Data directory; offline: where to keep what came out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay a recording as the devices that made it; exit 1 when the broker did not take all."""
    from runtime import recordings
    from runtime.output import emit

    if offline:
        report = recordings.run_offline(file, registry=registry, start=start, data=data)
    else:
        target = recordings.target(data=data, broker=broker, passwords=passwords)
        pace = speed or None
        if file.suffix.lower() == ".csv":
            series = recordings.SeriesReplay(
                maps=tuple(map_ or ()),
                kind=kind,
                equipment_id=equipment,
                timestamp_column=timestamp_column,
                shift=times.value,
            )
            report = recordings.publish_series(file, series, target, speed=pace)
        else:
            report = recordings.publish_capture(file, target, start=start, speed=pace)
    emit(report, as_json=as_json)
    if report.get("failed"):
        raise typer.Exit(1)
