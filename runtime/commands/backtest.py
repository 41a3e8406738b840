"""``equipwatch backtest``: detectors over stored or simulated history, held against truth."""

from pathlib import Path
from typing import Annotated

import typer

from runtime.commands.options import AsJson

EXIT_BUDGET = 4
_TERMINATED = 128 + 15


def backtest(
    scenario: Annotated[
        str | None, typer.Option(help="Scenario file or bundled name to simulate.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; drawn and printed when missing.")] = None,
    history: Annotated[
        Path | None,
        typer.Option(help="Directory with history; with --scenario it keeps what is simulated."),
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="Instant of t=0, ISO 8601; default a Monday, 8:00.")
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="TOML with tables detectors.NAME of the version under test.")
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(help="TOML of a second version: what it would add and lose.")
    ] = None,
    budget: Annotated[
        Path | None, typer.Option(help="TOML with limits; exit 4 when one is exceeded.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="HTML file to write, with plots.")] = None,
    nab: Annotated[
        Path | None, typer.Option(help="Directory of NAB recordings for the statistical set.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes; default one a core.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score detectors: recall, precision, time to detect, false alarms per device-year."""
    import os
    import secrets
    import signal
    import sys

    from runtime.backtest.backtest import Options, run_backtest
    from runtime.backtest.report import people_report
    from runtime.output import emit

    # A polite end must still delete what was simulated for this run alone.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    options = Options(
        scenario=scenario,
        seed=secrets.randbelow(2**31) if seed is None else seed,
        start=start,
        history=history,
        settings=settings,
        compare=compare,
        budget=budget,
        page=report,
        nab=nab,
        workers=workers or os.cpu_count() or 1,
    )
    result = run_backtest(options, lambda line: typer.echo(line, err=True))
    emit(result if as_json else people_report(result), as_json=as_json)
    if result.get("exceeded"):
        raise typer.Exit(EXIT_BUDGET)
