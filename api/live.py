"""Live values as people may rely on them: a stale value is unknown, and its age is shown."""

from collections.abc import Mapping

from api.schemas import iso
from api.telemetry_schemas import LatestOut, LatestValueOut
from detectors.current import DEFAULT_INTERVAL_S, STALE_INTERVALS, STALE_MAX_S, STALE_MIN_S
from domain.channels import CHANNELS, Channel, ChannelType
from domain.equipment import Equipment
from domain.instants import NS_PER_S, to_iso
from domain.ports import TelemetryStore
from domain.readings import Latest

_INTERVAL_S = 60.0
_FLAG_TEXTS = {False: ("no", "否"), True: ("yes", "是")}


def stale_after_s(equipment: Equipment) -> float:
    """Silence after which a value is unknown (docs/contract.md) [s]."""
    interval_s = equipment.report_interval_s or DEFAULT_INTERVAL_S.get(equipment.kind, _INTERVAL_S)
    return min(max(STALE_INTERVALS * interval_s, STALE_MIN_S), STALE_MAX_S)


def latest_values(
    telemetry: TelemetryStore, equipment: Equipment, now_ns: int, alive_ns: int | None = None
) -> LatestOut:
    """Live values of a device.

    Parameters
    ----------
    alive_ns
        When the device was last heard in any way, ``alive`` messages included, if that is known:
        they are not telemetry, and a lift that stands still may send nothing else.
    """
    latest = telemetry.latest(equipment.kind, equipment.id)
    heard = [value.event_time_ns for value in latest.values()]
    if alive_ns is not None:
        heard.append(alive_ns)
    heard_ns = max(heard, default=None)
    limit_s = stale_after_s(equipment)
    silent = heard_ns is None or (now_ns - heard_ns) / NS_PER_S > limit_s
    return LatestOut(
        equipment_id=equipment.id,
        kind=equipment.kind,
        heard_at=iso(heard_ns),
        stale_after_s=limit_s,
        silent=silent,
        channels=[
            _channel(channel, latest, now_ns, silent=silent)
            for channel in (*CHANNELS[equipment.kind], *_extras(equipment, latest))
        ],
    )


def _extras(equipment: Equipment, latest: Mapping[str, Latest]) -> list[Channel]:
    known = {channel.name for channel in CHANNELS[equipment.kind]}
    return [
        Channel(name=name, type=ChannelType.NUMBER, en=name, zh=name)
        for name in sorted(latest)
        if name not in known
    ]


def _channel(
    channel: Channel, latest: Mapping[str, Latest], now_ns: int, *, silent: bool
) -> LatestValueOut:
    found = latest.get(channel.name)
    value = found.value if found else None
    known = value is not None and not silent
    en, zh = value_texts(channel, value)
    return LatestValueOut(
        name=channel.name,
        en=channel.en,
        zh=channel.zh,
        unit=channel.unit,
        known=known,
        value=value if known else None,
        last_value=value,
        text_en=en,
        text_zh=zh,
        at=to_iso(found.event_time_ns) if found else None,
        age_s=round((now_ns - found.event_time_ns) / NS_PER_S, 3) if found else None,
    )


def value_texts(
    channel: Channel, value: float | bool | str | None
) -> tuple[str | None, str | None]:
    """English and Chinese words for a flag or a code, ``None`` for what needs none."""
    match channel.type:
        case ChannelType.FLAG if value is not None:
            return _FLAG_TEXTS[bool(value)]
        case ChannelType.CODE if isinstance(value, float | int):
            return channel.codes.get(int(value), (None, None))
        case _:
            return None, None
