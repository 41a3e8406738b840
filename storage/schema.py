"""What telemetry stores call things: one measurement (or table) a kind, one field a channel."""

from dataclasses import dataclass
from enum import StrEnum

from domain.channels import CHANNELS, ChannelType
from domain.equipment import Kind

TAG = "equipment_id"
"""The only tag: anything else of high cardinality would multiply series."""


class FieldType(StrEnum):
    """How a field's values are stored."""

    FLOAT = "float"
    INTEGER = "integer"
    STRING = "string"


_CHANNEL_TYPES = {
    ChannelType.NUMBER: FieldType.FLOAT,
    # InfluxQL can neither add nor average booleans, so flags are 0 and 1.
    ChannelType.FLAG: FieldType.INTEGER,
    ChannelType.CODE: FieldType.INTEGER,
    ChannelType.LABEL: FieldType.STRING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a measurement.

    Parameters
    ----------
    unit
        Unit as the channel catalogue writes it; empty for flags, codes, labels and row fields.
    channel
        How a channel's values are read; ``None`` for fields that describe the row.
    """

    name: str
    type: FieldType
    unit: str = ""
    channel: ChannelType | None = None


ROW_FIELDS: tuple[Field, ...] = (
    Field(name="event_time_ns", type=FieldType.INTEGER, unit="ns"),
    Field(name="received_at_ns", type=FieldType.INTEGER, unit="ns"),
    Field(name="position", type=FieldType.INTEGER),
    Field(name="ordinal", type=FieldType.INTEGER),
    Field(name="seq", type=FieldType.INTEGER),
    Field(name="stream", type=FieldType.INTEGER),
    Field(name="quality", type=FieldType.INTEGER),
    Field(name="code", type=FieldType.STRING),
    Field(name="active", type=FieldType.INTEGER),
)
"""Fields that every row has beside its channels; ``seq``, ``code`` and ``active`` may be absent."""


def measurement(kind: Kind) -> str:
    """Name of the measurement or table of a kind."""
    return kind.value


def channel_fields(kind: Kind) -> tuple[Field, ...]:
    """Fields of a kind's channels, in the order of the catalogue.

    >>> [field.unit for field in channel_fields(Kind.VESSEL)]
    ['MPa', '°C', '', '', '']
    """
    return tuple(
        Field(
            name=channel.name,
            type=_CHANNEL_TYPES[channel.type],
            unit=channel.unit,
            channel=channel.type,
        )
        for channel in CHANNELS[kind]
    )


def fields(kind: Kind) -> tuple[Field, ...]:
    """All fields of a kind: `ROW_FIELDS`, then its channels."""
    return ROW_FIELDS + channel_fields(kind)
