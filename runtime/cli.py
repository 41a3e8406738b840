"""The command ``equipwatch``. Exit codes: 0 ok, 1 work failed, 2 usage, 3 dependency, 4 check."""

import sys

import typer

from domain.errors import DependencyError, EquipwatchError, UsageError
from runtime.commands import (
    account,
    backtest,
    bench,
    broker,
    config,
    dashboards,
    demo,
    incident,
    ledger,
    quarantine,
    registry,
    replay,
    selftest,
    serve,
    shadow,
    simulate,
)

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_DEPENDENCY = 3
EXIT_CHECK = 4

app = typer.Typer(
    name="equipwatch",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback(help="Telemetry, detection and rescue dispatch for in-use special equipment.")
def prepare() -> None:
    """Keep logs away from stdout, where a command prints its result."""
    import logging

    from runtime.output import configure_logging

    configure_logging(logging.WARNING)


app.command()(demo.demo)
app.command()(serve.serve)
app.command()(simulate.simulate)
app.command()(replay.replay)
app.command()(backtest.backtest)
app.command()(config.doctor)
app.command()(ledger.ledger)
app.add_typer(bench.app, name="bench")
app.add_typer(registry.app, name="registry")
app.add_typer(incident.app, name="incident")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(shadow.app, name="shadow")
app.add_typer(broker.app, name="broker")
app.add_typer(account.app, name="account")
app.add_typer(dashboards.app, name="dashboards")
app.add_typer(config.app, name="config")
app.add_typer(selftest.app, name="selftest")


def main() -> None:
    """Run a command; an operating error becomes one line on stderr and an exit code."""
    try:
        app()
    except EquipwatchError as error:
        print(f"equipwatch: {error}", file=sys.stderr)  # noqa: T201 - for the person at the shell
        sys.exit(_exit_code(error))


def _exit_code(error: EquipwatchError) -> int:
    if isinstance(error, UsageError):
        return EXIT_USAGE
    return EXIT_DEPENDENCY if isinstance(error, DependencyError) else EXIT_FAILED
