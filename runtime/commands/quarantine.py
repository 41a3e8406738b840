"""``equipwatch quarantine``: what was refused, why, and what would become of it now."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.commands.options import DEFAULT_DATA, AsJson, Data

if TYPE_CHECKING:
    from api.reexamination import Verdict
    from domain.findings import Finding
    from domain.ports import QuarantineDrop
    from domain.refusals import Refusal
    from runtime.quarantined import Found

app = typer.Typer(help="What devices sent and could not be used.", no_args_is_help=True)

EntryId = Annotated[int, typer.Argument(min=1, help="Number of the entry.")]


@app.command("list")
def list_(
    sender: Annotated[str | None, typer.Option(help="Only this equipment or gateway.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    dropped: Annotated[bool, typer.Option("--dropped", help="Entries that were dropped.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000)] = 50,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """List refusals by reason and sender, newest first."""
    from domain.errors import UsageError
    from domain.instants import to_iso
    from domain.refusals import RefusalReason
    from runtime.output import emit
    from runtime.wiring import using_state

    if reason is not None and reason not in set(RefusalReason):
        raise UsageError(f"no such reason: {reason}; one of {', '.join(RefusalReason)}")
    with using_state(data) as state, state.reading() as tx:
        if dropped:
            gone = tx.quarantine.drops(limit)
            emit({"dropped": [_drop_row(one) for one in gone]}, as_json=as_json)
            return
        wanted = None if reason is None else RefusalReason(reason)
        entries = tx.quarantine.find(sender=sender, reason=wanted, limit=limit)
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
def show(entry_id: EntryId, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Show the original bytes kept for an entry, newest first."""
    from domain.instants import to_iso
    from runtime.output import emit
    from runtime.quarantined import entry_of
    from runtime.wiring import using_state

    with using_state(data) as state, state.reading() as tx:
        entry_of(tx, entry_id)
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


@app.command()
def replay(
    entry_id: EntryId,
    begin: Annotated[
        str | None, typer.Option("--from", help="Received at or after, ISO 8601.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Received before, ISO 8601.")] = None,
    show_max: Annotated[
        int, typer.Option("--show", min=0, max=10_000, help="Messages listed one by one.")
    ] = 20,
    export: Annotated[
        Path | None,
        typer.Option(help="Write what decodes now as a capture, for `equipwatch replay`."),
    ] = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Judge an entry's messages anew: what would become of them now. Nothing is stored."""
    from api import candidates
    from api.reexamination import Outcome, reexamine
    from domain.shadow import merged
    from ingest.journal import JournalReader
    from runtime.output import emit
    from runtime.quarantined import entry_of, find_refused
    from runtime.settings import load
    from runtime.site import Site
    from runtime.wiring import using_state

    reader = JournalReader(Site(data).journal)
    try:
        with using_state(data) as state, state.reading() as tx:
            found = find_refused(tx, reader, entry_of(tx, entry_id))
            fleet = tx.registry.fleet()
            promoted = [one.parameters for one in candidates.promoted(tx)]
    finally:
        reader.close()
    chosen = _received_between(found, begin, end)
    result = reexamine(chosen, fleet, merged((load(data).detectors, *promoted)))
    if export is not None:
        decoded = [v.refusal for v in result.verdicts if v.outcome is Outcome.DECODED]
        _export(export, decoded)
    report = {
        "examined": len(result.verdicts),
        **result.counts(),
        "refused_because": result.still_refused(),
        "rows": sum(len(verdict.rows) for verdict in result.verdicts),
        "not_in_journal": found.gone,
        "counted_only": found.unknown,
        "findings": [_finding_row(finding) for finding in result.findings],
        "messages": [_verdict_row(verdict) for verdict in result.verdicts[:show_max]],
    }
    emit(report, as_json=as_json)


@app.command()
def drop(
    entry_id: EntryId,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; nothing is asked.")] = False,
    note: Annotated[str, typer.Option(help="Why; kept with the counts.")] = "",
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Delete an entry and its originals; who, when, how many and why are kept."""
    import getpass
    import time

    from domain.errors import UsageError
    from runtime.output import emit
    from runtime.wiring import using_state

    if not yes:
        raise UsageError(f"this deletes entry {entry_id} and its originals for good: add --yes")
    with using_state(data) as state, state.writing() as tx:
        dropped = tx.quarantine.drop(
            entry_id,
            dropped_by=f"cli:{getpass.getuser()}",
            dropped_at_ns=time.time_ns(),
            note=note,
        )
    emit({"dropped": _drop_row(dropped)}, as_json=as_json)


def _received_between(found: "Found", begin: str | None, end: str | None) -> "list[Refusal]":
    from domain.errors import UsageError
    from domain.instants import from_iso

    try:
        begin_ns = from_iso(begin) if begin else 0
        end_ns = from_iso(end) if end else 2**63
    except ValueError as error:
        raise UsageError(f"--from and --to take an ISO 8601 instant: {error}") from error
    return [r for r in found.refusals if begin_ns <= r.received_at_ns < end_ns]


def _export(file: Path, refusals: "list[Refusal]") -> None:
    from simulators.capture import capture_line
    from simulators.outgoing import Outgoing

    start_ns = min((refusal.received_at_ns for refusal in refusals), default=0)
    messages = {(r.position, r.index): r for r in refusals}
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        for refusal in messages.values():
            outgoing = Outgoing(
                at_ns=refusal.received_at_ns, topic=refusal.topic, payload=refusal.payload
            )
            stream.write(capture_line(outgoing, start_ns) + "\n")


def _verdict_row(verdict: "Verdict") -> dict[str, Any]:
    from domain.instants import to_iso

    refusal = verdict.refusal
    return {
        "received_at": to_iso(refusal.received_at_ns),
        "topic": refusal.topic,
        "item": refusal.item,
        "then": refusal.reason.value,
        "now": verdict.outcome.value if verdict.reason is None else verdict.reason.value,
        "detail": verdict.detail,
        "rows": [
            {
                "equipment": row.equipment_id,
                "at": to_iso(row.event_time_ns),
                "values": row.values,
                "code": row.code,
                "active": row.active,
            }
            for row in verdict.rows
        ],
    }


def _finding_row(finding: "Finding") -> dict[str, Any]:
    from domain.instants import to_iso

    return {
        "equipment": finding.equipment_id,
        "kind": finding.kind.value,
        "level": finding.level.value,
        "phase": finding.phase.value,
        "onset": to_iso(finding.onset_ns),
        "detected_at": to_iso(finding.detected_at_ns),
        "late": finding.late,
        "reason": finding.reason,
    }


def _drop_row(dropped: "QuarantineDrop") -> dict[str, Any]:
    from domain.instants import to_iso

    return {
        "reason": dropped.reason.value,
        "sender": dropped.sender,
        "count": dropped.count,
        "first_at": to_iso(dropped.first_at_ns),
        "last_at": to_iso(dropped.last_at_ns),
        "dropped_by": dropped.dropped_by,
        "dropped_at": to_iso(dropped.dropped_at_ns),
        "note": dropped.note,
    }
