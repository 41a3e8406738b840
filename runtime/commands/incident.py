"""``equipwatch incident``: incidents from the shell."""

from typing import Annotated

import typer

from runtime.commands.options import DEFAULT_DATA, AsJson, Data

app = typer.Typer(help="List, show and acknowledge incidents.", no_args_is_help=True)


_COLUMNS = ("detected_at", "level", "kind", "equipment_id", "state", "id")


@app.command("list")
def list_(
    open_only: Annotated[bool, typer.Option("--open", help="Only open ones.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000)] = 50,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """List incidents, newest first."""
    from domain.ports import IncidentQuery
    from runtime.output import emit
    from runtime.reports import incident_report
    from runtime.wiring import using_state

    with using_state(data) as state, state.reading() as tx:
        found = tx.incidents.find(IncidentQuery(open_only=open_only, limit=limit))
    reports = [incident_report(incident) for incident in found]
    if not as_json:
        reports = [{column: report[column] for column in _COLUMNS} for report in reports]
    emit({"incidents": reports}, as_json=as_json)


@app.command()
def show(
    incident_id: Annotated[str, typer.Argument(help="Id of the incident.")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show an incident with its history."""
    from domain.errors import NotFoundError
    from runtime.output import emit
    from runtime.reports import event_report, incident_report
    from runtime.wiring import using_state

    with using_state(data) as state, state.reading() as tx:
        incident = tx.incidents.get(incident_id)
        events = tx.incidents.events(incident_id)
    if incident is None:
        raise NotFoundError(f"there is no incident {incident_id!r}")
    report = {**incident_report(incident), "history": [event_report(event) for event in events]}
    emit(report, as_json=as_json)


@app.command()
def acknowledge(
    incident_id: Annotated[str, typer.Argument(help="Id of the incident.")],
    actor: Annotated[str, typer.Option(help="Who acknowledges; written into the history.")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Acknowledge an incident: from now on only people end it."""
    import time

    from dispatch import desk
    from runtime.output import emit
    from runtime.reports import incident_report
    from runtime.wiring import using_state

    with using_state(data) as state, state.writing() as tx:
        incident = desk.acknowledge(tx, incident_id, f"user:{actor}", time.time_ns())
    emit(incident_report(incident), as_json=as_json)
