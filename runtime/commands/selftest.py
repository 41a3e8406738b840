"""``equipwatch selftest``: the promises of the service, put to the test on this machine."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from runtime.commands.options import AsJson

app = typer.Typer(no_args_is_help=True, help="Break things on purpose and count what was lost.")

EXIT_BROKEN = 4
_TERMINATED = 128 + 15


class Program(StrEnum):
    """Brokers that the service can start."""

    MOSQUITTO = "mosquitto"
    NATS = "nats"


Broker = Annotated[
    Program | None, typer.Option(help="Broker to test with; default: the one the service takes.")
]
Rate = Annotated[float, typer.Option(min=100, max=50_000, help="Messages per second.")]
Seed = Annotated[int, typer.Option(min=0, help="Draws moments, victims and incidents.")]
Directory = Annotated[
    Path | None, typer.Option(help="Empty directory to work in; default: a temporary one.")
]


@app.command()
def crash(
    kills: Annotated[int, typer.Option(min=0, max=1_000, help="Kills of our processes.")] = 50,
    messages: Annotated[int, typer.Option(min=1_000, help="Fewest messages.")] = 200_000,
    rate: Rate = 3_000.0,
    broker: Broker = None,
    broker_kills: Annotated[
        int, typer.Option(min=0, max=100, help="Kills of the broker, in a run of their own.")
    ] = 0,
    seed: Seed = 1,
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Kill -9 ingest, core, both and the supervisor under load; exit code 4 if a promise broke."""
    from runtime.selftest.crash import CrashOptions, run_crash

    options = CrashOptions(
        kills=kills,
        messages=messages,
        rate_per_s=rate,
        broker=broker or "",
        broker_kills=broker_kills,
        seed=seed,
        directory=directory,
    )
    _run(lambda: run_crash(options, _say), as_json=as_json)


@app.command()
def disk(
    size_mb: Annotated[int, typer.Option(min=32, max=4_096, help="Size of the tmpfs [MB].")] = 96,
    headroom_mb: Annotated[
        int, typer.Option(min=4, max=1_024, help="Free when the load begins [MB].")
    ] = 16,
    full_seconds: Annotated[
        float, typer.Option(min=2, max=600, help="Seconds for which the disk stays full.")
    ] = 30.0,
    rate: Rate = 3_000.0,
    broker: Broker = None,
    seed: Seed = 1,
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Fill a small file system under load, then give space back; root can mount one."""
    from runtime.selftest.disk import DiskOptions, run_disk

    options = DiskOptions(
        size_mb=size_mb,
        headroom_mb=headroom_mb,
        full_s=full_seconds,
        rate_per_s=rate,
        broker=broker or "",
        seed=seed,
        directory=directory,
    )
    _run(lambda: run_disk(options, _say), as_json=as_json)


@app.command()
def outage(
    minutes: Annotated[
        float, typer.Option(min=0.2, max=1_440, help="How long the store is away.")
    ] = 10.0,
    rate: Rate = 3_000.0,
    broker: Broker = None,
    seed: Seed = 1,
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Take the telemetry store away under load; exit code 3 where influxd is not installed."""
    from runtime.selftest.outage import OutageOptions, run_outage

    options = OutageOptions(
        minutes=minutes, rate_per_s=rate, broker=broker or "", seed=seed, directory=directory
    )
    _run(lambda: run_outage(options, _say), as_json=as_json)


@app.command()
def flood(
    seconds: Annotated[float, typer.Option(min=1, max=3_600, help="Length of the flood.")] = 60.0,
    factor: Annotated[
        float, typer.Option(min=1, max=100, help="Times a district's 3,000 items a second.")
    ] = 10.0,
    broker: Broker = None,
    seed: Seed = 1,
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Send many times a district's items in gateway batches."""
    from runtime.selftest.flood import FloodOptions, run_flood

    options = FloodOptions(
        seconds=seconds, factor=factor, broker=broker or "", seed=seed, directory=directory
    )
    _run(lambda: run_flood(options, _say), as_json=as_json)


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _run(test: Callable[[], dict[str, Any]], *, as_json: bool) -> None:
    """Run a test and print its report; SIGTERM ends it as Ctrl-C does, with everything undone."""
    import signal
    import sys

    from runtime.output import emit

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    report = test()
    emit(report, as_json=as_json)
    if report["broken"]:
        raise typer.Exit(EXIT_BROKEN)
