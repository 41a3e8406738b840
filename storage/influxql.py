"""Answers of InfluxDB's ``/query`` as stored rows."""

from collections.abc import Iterable, Mapping
from typing import Any

from domain.equipment import Kind
from domain.readings import Quality, Sample, Stream
from storage.line_protocol import EXTRA_PREFIX, UNKNOWN, UNKNOWN_SEPARATOR, extra_name
from storage.rows import StoredRow, values_of
from storage.schema import TAG

Record = Mapping[str, Any]
"""One row of an answer by column; ``None`` where the point has no such field."""


def quoted(name: str) -> str:
    """Identifier as InfluxQL reads it."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def records(answer: Any) -> list[list[Record]]:  # noqa: ANN401 - decoded JSON
    """Rows of each statement out of a decoded answer.

    Raises
    ------
    ValueError
        If a statement failed, with the server's words, or if this is no such answer.
    """
    if not isinstance(answer, dict) or "results" not in answer:
        raise ValueError("it does not answer as InfluxDB does")
    for result in answer["results"]:
        if "error" in result:
            raise ValueError(result["error"])
    return [_records(result) for result in answer["results"]]


def _records(result: Record) -> list[Record]:
    return [
        dict(zip(series["columns"], row, strict=True))
        for series in result.get("series", ())
        for row in series.get("values", ())
    ]


def reported(record: Record) -> list[str]:
    """Columns that the row has, besides its time."""
    return [name for name, value in record.items() if value is not None and name != "time"]


def stored_rows(kind: Kind, answer: Iterable[Record]) -> list[StoredRow]:
    """Rows of ``SELECT *`` as readers see them."""
    return [
        StoredRow(
            order=(record["event_time_ns"], record["ordinal"]),
            position=record["position"],
            sample=_sample(kind, record),
        )
        for record in answer
    ]


def _sample(kind: Kind, record: Record) -> Sample:
    code = record.get("code")
    unknown = (record.get(UNKNOWN) or "").split(UNKNOWN_SEPARATOR)
    return Sample(
        equipment_id=record[TAG],
        event_time_ns=record["event_time_ns"],
        received_at_ns=record["received_at_ns"],
        stream=Stream(record["stream"]),
        quality=Quality(record["quality"]),
        seq=record.get("seq"),
        values=values_of(kind, record, unknown, _extras(record)),
        code=code,
        active=None if code is None else bool(record["active"]),
    )


def _extras(record: Record) -> list[tuple[str, float]]:
    return [
        (extra_name(name), record[name])
        for name in reported(record)
        if name.startswith(EXTRA_PREFIX)
    ]
