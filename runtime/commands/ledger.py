"""``equipwatch ledger``: what was received, missing and refused, per device and hour."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.commands.options import DEFAULT_DATA, AsJson, Data

if TYPE_CHECKING:
    from api.ledger_schemas import LedgerHourOut
    from domain.ports import StateTransaction

_UNKNOWN = "unknown"
_COLUMNS = ("received", "alive", "missing", "refused", "repeated", "late", "lag_s", "last")
_HOURS_MAX = 31 * 24


def ledger(
    equipment_id: Annotated[
        str | None, typer.Argument(help="Device; without it, devices by what went wrong.")
    ] = None,
    hour: Annotated[
        str | None,
        typer.Option(help="Last hour shown, as 2026-05-28T12:00; China time without an offset."),
    ] = None,
    hours: Annotated[
        int | None,
        typer.Option(min=1, max=_HOURS_MAX, help="How many; 24, or with --hour that one alone."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Most devices listed.")] = 50,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show what arrived of a device hour by hour, which numbers are missing, what was refused."""
    import time

    from domain.ledger import HOUR_NS, hour_start
    from runtime.inputs import instant_of
    from runtime.output import emit
    from runtime.wiring import using_state

    now_ns = time.time_ns()
    end_ns = hour_start(now_ns if hour is None else instant_of("--hour", hour)) + HOUR_NS
    start_ns = end_ns - (hours or (1 if hour else 24)) * HOUR_NS
    with using_state(data) as state, state.reading() as tx:
        if equipment_id is None:
            report = _worst(tx, start_ns, end_ns, limit, as_json=as_json)
        else:
            report = _device(tx, equipment_id, start_ns, end_ns, now_ns, as_json=as_json)
    emit(report, as_json=as_json)


def _worst(
    tx: "StateTransaction", start_ns: int, end_ns: int, limit: int, *, as_json: bool
) -> dict[str, Any]:
    from api.ledger_schemas import LedgerTotalOut
    from domain.instants import to_iso
    from domain.ports import LedgerQuery

    found = tx.ledger.worst(LedgerQuery(start_ns=start_ns, end_ns=end_ns, limit=limit))
    devices = [LedgerTotalOut.of(total).model_dump() for total in found]
    for device in [] if as_json else devices:
        lag_s = device["lag_max_abs_s"]
        device["lag_max_abs_s"] = _UNKNOWN if lag_s is None else f"{lag_s:.1f}"
    return {"start": to_iso(start_ns), "end": to_iso(end_ns), "devices": devices}


def _device(
    tx: "StateTransaction",
    equipment_id: str,
    start_ns: int,
    end_ns: int,
    now_ns: int,
    *,
    as_json: bool,
) -> dict[str, Any]:
    from api.ledger_schemas import device_ledger
    from domain.errors import NotFoundError

    if tx.registry.get(equipment_id) is None:
        raise NotFoundError(f"there is no equipment {equipment_id!r}")
    rows = tx.ledger.hours(equipment_id, start_ns=start_ns, end_ns=end_ns, limit=_HOURS_MAX)
    shown = device_ledger(equipment_id, rows, start_ns, end_ns, now_ns)
    report = shown.model_dump()
    if not as_json:
        trend = shown.lag_trend_ms_per_h
        report["lag_trend_ms_per_h"] = _UNKNOWN if trend is None else f"{trend:+.1f}"
        report["hours"] = [_line(one) for one in shown.hours]
        report["missing_numbers"] = [line for one in shown.hours for line in _missing(one)]
    return report


def _line(one: "LedgerHourOut") -> Mapping[str, object]:
    """One hour as a line of a table; what is not known is never a number."""
    figures = one.figures
    if figures is None:
        return {"hour": one.hour[:16], **dict.fromkeys(_COLUMNS, _UNKNOWN)}
    lag = figures.lag
    wrong = " wrong" if figures.clock_wrong else ""
    return {
        "hour": one.hour[:16],
        "received": figures.received,
        "alive": figures.alive,
        "missing": figures.missing.count,
        "refused": figures.refused,
        "repeated": figures.duplicated,
        "late": figures.late,
        "lag_s": _UNKNOWN if lag is None else f"{lag.min_s:.1f} to {lag.max_s:.1f}{wrong}",
        "last": _UNKNOWN if figures.last_seq is None else f"{figures.last_boot}:{figures.last_seq}",
    }


def _missing(one: "LedgerHourOut") -> Iterator[Mapping[str, object]]:
    """The missing numbers of one hour as lines of a table."""
    if one.figures is None:
        return
    for numbers in one.figures.missing.ranges:
        yield {"hour": one.hour[:16], **numbers.model_dump()}
    if one.figures.missing.unlisted:
        more = f"and {one.figures.missing.unlisted} more"
        yield {"hour": one.hour[:16], "boot": more, "first": None, "last": None}
