"""``equipwatch registry``: equipment and firms in and out."""

from pathlib import Path
from typing import Annotated

import typer

from runtime.commands.options import DEFAULT_DATA, AsJson, Data

app = typer.Typer(help="Import and export equipment and maintenance firms.", no_args_is_help=True)


def _read(file: Path) -> str:
    from domain.errors import UsageError

    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: {error}") from error


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="Registry CSV (docs/contract.md).")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Insert or replace equipment; each refused row is reported with its reasons (exit 4)."""
    from domain.registry import parse_registry
    from runtime.output import emit
    from runtime.wiring import using_state

    parsed = parse_registry(_read(file))
    with using_state(data) as state, state.writing() as tx:
        tx.registry.put(parsed.rows)
    refused = [
        {"line": row.line, "id": row.id, "reasons": "; ".join(row.reasons)}
        for row in parsed.refused
    ]
    warnings = [
        {"line": warning.line, "id": warning.id, "warning": warning.text}
        for warning in parsed.warnings
    ]
    emit({"imported": len(parsed.rows), "refused": refused, "warnings": warnings}, as_json=as_json)
    if refused:
        raise typer.Exit(4)


@app.command()
def export(data: Data = DEFAULT_DATA) -> None:
    """Print the registry as CSV."""
    from domain.registry import format_registry
    from runtime.wiring import using_state

    with using_state(data) as state, state.reading() as tx:
        fleet = tx.registry.fleet()
    rows = [equipment for members in fleet.devices.values() for equipment in members]
    typer.echo(format_registry(rows), nl=False)


@app.command()
def firms(
    file: Annotated[Path, typer.Argument(help="Firms CSV: id,name_zh,name_en,phone,...")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Insert or replace maintenance firms."""
    from domain.registry import parse_firms
    from runtime.output import emit
    from runtime.wiring import using_state

    parsed = parse_firms(_read(file))
    with using_state(data) as state, state.writing() as tx:
        for firm in parsed.rows:
            tx.registry.put_firm(firm)
    refused = [
        {"line": row.line, "id": row.id, "reasons": "; ".join(row.reasons)}
        for row in parsed.refused
    ]
    emit({"imported": len(parsed.rows), "refused": refused}, as_json=as_json)
    if refused:
        raise typer.Exit(4)
