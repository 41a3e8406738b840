"""Native JSON of ordinary items, read straight into the types that the contract gives them.

What is read here is exactly what `ingest.wire.native` would read; whatever is out of the ordinary
(a null, a label seen for the first time, a channel outside the catalogue) is not read at all, and
the general path takes it.
"""

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec

from domain.channels import CHANNELS, Channel, ChannelType
from domain.equipment import Kind
from ingest.clocks import ERA_NS
from ingest.wire.native import ITEMS_MAX

_NAN = float("nan")
_NS_PER_MS = 1_000_000

Seq = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
Milliseconds = Annotated[int, msgspec.Meta(ge=ERA_NS // _NS_PER_MS, lt=2**62 // _NS_PER_MS)]


class Label(float):
    """A label as its index in the vocabulary."""

    __slots__ = ()


_TYPES: Mapping[ChannelType, Any] = {
    ChannelType.NUMBER: float,
    ChannelType.FLAG: bool | float,
    ChannelType.CODE: float,
    ChannelType.LABEL: Label,
}


def _values(kind: Kind) -> Any:  # noqa: ANN401 - a type made out of the catalogue
    def field(channel: Channel) -> tuple[str, Any, float]:
        return channel.name, _TYPES[channel.type], _NAN

    return msgspec.defstruct(
        f"{kind.capitalize()}Values",
        [field(channel) for channel in CHANNELS[kind]],
        forbid_unknown_fields=True,
        gc=False,
    )


VALUES = {kind: _values(kind) for kind in Kind}
"""Type of the ``v`` object of each kind: a column a channel, NaN where it is not reported."""

_HEAD: list[tuple[str, Any]] = [("ts", Milliseconds | str), ("seq", Seq), ("boot", str)]
_GENERAL = [(name, msgspec.Raw | None, None) for name in ("code", "codes", "active", "dialect")]
"""Parts that only the general path reads; here they tell that an item is not for this one."""


def _content(kind: Kind) -> list[tuple[str, Any, Any]]:
    return [("v", VALUES[kind] | None, None), ("online", bool | None, None)]


ITEMS: Mapping[Kind, Any] = {
    kind: msgspec.defstruct(
        f"{kind.capitalize()}Item",
        [*_HEAD, *_content(kind)],
        forbid_unknown_fields=True,
        gc=False,
    )
    for kind in Kind
}
"""Type of an item on a device's own topic."""

GATEWAY_ITEMS: Mapping[Kind, Any] = {
    kind: msgspec.defstruct(
        f"{kind.capitalize()}GatewayItem",
        [("id", str), ("stream", str), *_HEAD, *_content(kind), *_GENERAL],
        tag_field="kind",
        tag=kind.value,
        forbid_unknown_fields=True,
        gc=False,
    )
    for kind in Kind
}
"""Type of an item in a gateway's batch, told by its ``kind``."""


ORDINARY_ITEMS: Mapping[Kind, Any] = {
    kind: msgspec.defstruct(
        f"{kind.capitalize()}OrdinaryItem",
        [
            ("id", str),
            ("stream", Literal["status", "telemetry"]),
            ("ts", Milliseconds),
            ("seq", Seq),
            ("boot", str),
            ("v", VALUES[kind]),
        ],
        tag_field="kind",
        tag=kind.value,
        forbid_unknown_fields=True,
        gc=False,
    )
    for kind in Kind
}
"""Type of a sampled item in a gateway's batch, the most frequent one: nothing in it is optional."""


class Readers:
    """Typed decoders that share a vocabulary; each raises `msgspec.MsgspecError`.

    Parameters
    ----------
    label_index
        Index of every label text that has one.

    Attributes
    ----------
    device
        By kind, the item or array of a device's own topic.
    ordinary, gateway
        A gateway's batch of nothing but sampled items, and of any items.
    """

    def __init__(self, label_index: Mapping[str, int]) -> None:
        def label(type_: type, sent: object) -> Label:
            text = str(sent) if sent.__class__ is int else sent
            if type_ is not Label or not isinstance(text, str) or text not in label_index:
                raise ValueError("for the general path")
            return Label(label_index[text])

        def decoder(type_: Any) -> Callable[[bytes], Any]:  # noqa: ANN401 - a made type
            return msgspec.json.Decoder(type_, dec_hook=label).decode

        def array(item: Any) -> Any:  # noqa: ANN401 - a made type
            return Annotated[list[item], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]

        self.device = {kind: decoder(item | array(item)) for kind, item in ITEMS.items()}
        self.gateway = decoder(array(_any_of(GATEWAY_ITEMS)))
        self.ordinary = decoder(array(_any_of(ORDINARY_ITEMS)))


def _any_of(items: Mapping[Kind, Any]) -> Any:  # noqa: ANN401 - a made type
    return functools.reduce(operator.or_, items.values())
