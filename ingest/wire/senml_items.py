"""Our use of SenML: which names mean which device, channel and head field; readings to raw items.

docs/formats.md describes the convention for the makers of devices.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.channels import CHANNELS
from domain.messages import Message
from domain.refusals import RefusalReason
from ingest import topics
from ingest.wire.native import ITEMS_MAX, MalformedPayloadError
from ingest.wire.senml import UNUSABLE, Reading, is_number, resolve
from ingest.wire.units import convert

_URN = "urn:dev:"
_ITEM_HEAD = frozenset({"seq", "code", "active", "online"})
_LASTING_HEAD = frozenset({"boot", "dialect"})

_UNITS: Mapping[str, Mapping[str, str]] = {
    str(kind): {channel.name: channel.unit for channel in channels}
    for kind, channels in CHANNELS.items()
}


def items(pack: Sequence[Any], message: Message) -> list[Any]:
    """Raw items of a pack, one per device and time, in order of their first reading.

    Raises
    ------
    MalformedPayloadError
        When the pack is no SenML, says nothing, or has too many items.
    """
    topic = topics.parse(message.topic)
    if topic is None:
        raise MalformedPayloadError(RefusalReason.BAD_TOPIC, "the topic names no sender")
    found = _grouped(resolve(pack, message.received_at_ns), topic)
    if not found:
        raise MalformedPayloadError(RefusalReason.NO_CONTENT, "the pack has no reading")
    if isinstance(topic, topics.GatewayTopic):
        for item in found:
            item["stream"] = _stream(item)
    return found


@dataclass(slots=True)
class _Device:
    """What a name's part before the channel stands for.

    Parameters
    ----------
    own
        Fields of every item of it: who it is, where the topic does not say so, and what lasts.
    units
        Units of its channels, ``None`` when the names of its records are no channels of ours.
    open
        Its newest item of each time.
    """

    own: dict[str, Any]
    units: Mapping[str, str] | None
    open: dict[int, dict[str, Any]] = field(default_factory=dict)


def _grouped(
    readings: Iterable[Reading], topic: topics.DeviceTopic | topics.GatewayTopic
) -> list[Any]:
    devices = _own_names(topic) if isinstance(topic, topics.DeviceTopic) else {}
    found: list[Any] = []
    for reading in readings:
        cut = max(reading.name.rfind("/"), reading.name.rfind(":"))
        prefix = reading.name[: max(cut, 0)]
        device = devices.get(prefix)
        if device is None:
            device = devices[prefix] = _named(prefix, topic, devices)
        name = reading.name if device.units is None else reading.name[cut + 1 :]
        _put(found, device, name, reading)
        if len(found) > ITEMS_MAX:
            raise MalformedPayloadError(
                RefusalReason.TOO_MANY_ITEMS, f"more than {ITEMS_MAX} items of a device and time"
            )
    return found


def _own_names(topic: topics.DeviceTopic) -> dict[str, _Device]:
    own = _Device({}, _UNITS[topic.kind])
    return dict.fromkeys(("", topic.equipment_id, f"{topic.kind}/{topic.equipment_id}"), own)


def _named(
    prefix: str,
    topic: topics.DeviceTopic | topics.GatewayTopic,
    devices: Mapping[str, _Device],
) -> _Device:
    """Device of a prefix that the pack has not used before."""
    if isinstance(topic, topics.GatewayTopic):
        kind, _, identity = prefix.partition("/")
        return _Device({"kind": kind, "id": identity}, _UNITS.get(kind))
    own = topic.equipment_id
    if prefix.startswith(_URN) and prefix.endswith((f":{own}", f"/{own}")):
        return devices[""]
    # Somebody else's: the decoder refuses it when that is a known device, and keeps it as readings
    # of no channel of ours when it is not.
    return _Device({"id": prefix.replace(":", "/").rpartition("/")[2]}, None)


def _put(found: list[Any], device: _Device, name: str, reading: Reading) -> None:
    """Add a reading to its item; a name that the item has already begins a further one."""
    item = device.open.get(reading.ts_ms)
    head = device.units is not None
    if head and name in _LASTING_HEAD:
        device.own[name] = _head_value(reading.value)
        if item is not None:
            item[name] = device.own[name]
        return
    in_head = head and name in _ITEM_HEAD
    if item is None or name in (item if in_head else item.get("v", ())):
        item = device.open[reading.ts_ms] = {"ts": reading.ts_ms, **device.own}
        found.append(item)
    if in_head:
        item[name] = _head_value(reading.value)
    else:
        item.setdefault("v", {})[name] = _in_own_unit(device, name, reading)


def _head_value(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Whole numbers arrive as floats where a base value or a CBOR encoder made them so."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _in_own_unit(device: _Device, name: str, reading: Reading) -> Any:  # noqa: ANN401 - any JSON value
    own = None if device.units is None else device.units.get(name)
    if own is None or not reading.unit or not is_number(reading.value):
        return reading.value
    converted = convert(reading.value, reading.unit, own)
    return UNUSABLE if converted is None else converted


def _stream(item: Mapping[str, Any]) -> str:
    if "online" in item:
        return "alive"
    return "event" if "code" in item else "telemetry"
