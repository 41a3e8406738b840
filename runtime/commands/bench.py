"""``equipwatch bench``: what this machine can do, measured on real parts."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from runtime.commands.options import AsJson

_TERMINATED = 128 + 15

app = typer.Typer(help="Cost, speed and latency on this machine.", no_args_is_help=True)


@app.command()
def ingest(
    seconds: Annotated[
        float, typer.Option(min=1, help="Seconds of one paced run of one variant.")
    ] = 20.0,
    rounds: Annotated[int, typer.Option(min=0, help="Paced runs of each variant.")] = 3,
    duration: Annotated[
        float, typer.Option(min=0, help="Seconds of the runs for latency, memory and loss.")
    ] = 20.0,
    backlog: Annotated[
        float, typer.Option(min=0, help="Seconds of load queued for the top speed.")
    ] = 20.0,
    rate: Annotated[float, typer.Option(min=10, help="Single messages per second.")] = 3_000.0,
    devices: Annotated[
        int, typer.Option(min=10, max=100_000, help="Devices at 1 Hz behind gateways.")
    ] = 20_000,
    gateways: Annotated[int, typer.Option(min=1, help="Gateways of these devices.")] = 200,
    directory: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Where to keep everything meanwhile."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare a bare subscriber, ingest with its journal, and ingest with the core."""
    import signal

    from runtime.bench.ingest import BenchOptions, run_bench
    from runtime.bench.report import cost_rows, endurance_rows
    from runtime.output import emit

    # A polite end must still stop the broker and delete the directory.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    options = BenchOptions(
        seconds=seconds,
        rounds=rounds,
        duration_s=duration,
        backlog_s=backlog,
        single_per_s=rate,
        devices=devices,
        gateways=gateways,
        directory=directory,
    )
    report = run_bench(options, lambda line: typer.echo(line, err=True))
    if as_json:
        emit(report, as_json=True)
        return
    tables = {"cost": cost_rows(report), "endurance": endurance_rows(report)}
    wanted = {"cost": rounds or backlog, "endurance": duration}
    emit({name: rows for name, rows in tables.items() if wanted[name]}, as_json=False)


@app.command()
def detect(as_json: AsJson = False) -> None:
    """Measure the statistics on one core, and the share that the lift rules take of one."""
    from runtime.bench.detect import run_detect
    from runtime.output import emit

    report = run_detect(lambda line: typer.echo(line, err=True))
    emit(report.as_json(), as_json=as_json)
