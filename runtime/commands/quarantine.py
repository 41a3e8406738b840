"""``equipwatch quarantine``: what was refused, and why."""

from typing import Annotated

import typer

from runtime.commands.options import DEFAULT_DATA, AsJson, Data

app = typer.Typer(help="What devices sent and could not be used.", no_args_is_help=True)


@app.command("list")
def list_(
    sender: Annotated[str | None, typer.Option(help="Only this equipment or gateway.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000)] = 50,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """List refusals by reason and sender, newest first."""
    from domain.instants import to_iso
    from runtime.output import emit
    from runtime.wiring import using_state

    with using_state(data) as state, state.reading() as tx:
        entries = tx.quarantine.find(sender=sender, limit=limit)
    rows = [
        {
            "id": entry.id,
            "reason": entry.reason.value,
            "sender": entry.sender,
            "topic": entry.topic,
            "count": entry.count,
            "first_at": to_iso(entry.first_at_ns),
            "last_at": to_iso(entry.last_at_ns),
            "detail": entry.detail,
        }
        for entry in entries
    ]
    emit({"quarantine": rows}, as_json=as_json)


@app.command()
def show(
    entry_id: Annotated[int, typer.Argument(help="Number of the entry.")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show the original bytes kept for an entry, newest first."""
    from domain.instants import to_iso
    from runtime.output import emit
    from runtime.wiring import using_state

    with using_state(data) as state, state.reading() as tx:
        originals = tx.quarantine.originals(entry_id)
    rows = [
        {
            "received_at": to_iso(refusal.received_at_ns),
            "topic": refusal.topic,
            "item": refusal.item,
            "detail": refusal.detail,
            "payload": refusal.payload.decode("utf-8", "backslashreplace"),
        }
        for refusal in originals
    ]
    emit({"originals": rows}, as_json=as_json)
