"""Catalogue of channels per kind: names, units, plausible ranges and code meanings (contract.md).

The plausible range is wide on purpose: it only tells a reading from a sentinel or a broken sensor.
Limits that mean danger belong to detectors and to the registry's ratings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from domain.equipment import Kind

SENTINELS = frozenset({-999.9, 32767.0, 65535.0})
"""Values that devices send for "no value"; unknown on a channel whose range excludes them."""


class ChannelType(StrEnum):
    """How a channel's values are read."""

    NUMBER = "number"
    FLAG = "flag"
    CODE = "code"
    LABEL = "label"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel of a kind.

    Parameters
    ----------
    minimum, maximum
        Plausible range in ``unit``; a value outside is treated as unknown and counted.
    codes
        For `ChannelType.CODE`: value to (English, Chinese).
    """

    name: str
    type: ChannelType
    en: str
    zh: str
    unit: str = ""
    minimum: float = float("-inf")
    maximum: float = float("inf")
    codes: Mapping[int, tuple[str, str]] = field(default_factory=dict)


def _number(name: str, unit: str, low: float, high: float, en: str, zh: str) -> Channel:
    return Channel(
        name=name, type=ChannelType.NUMBER, unit=unit, minimum=low, maximum=high, en=en, zh=zh
    )


def _flag(name: str, en: str, zh: str) -> Channel:
    return Channel(name=name, type=ChannelType.FLAG, minimum=0, maximum=1, en=en, zh=zh)


def _code(name: str, en: str, zh: str, codes: Mapping[int, tuple[str, str]]) -> Channel:
    return Channel(
        name=name,
        type=ChannelType.CODE,
        minimum=min(codes),
        maximum=max(codes),
        en=en,
        zh=zh,
        codes=codes,
    )


def _label(name: str, en: str, zh: str) -> Channel:
    return Channel(name=name, type=ChannelType.LABEL, en=en, zh=zh)


SERVICE_MODES: Mapping[int, tuple[str, str]] = {
    0: ("out of service", "停止服务"),
    1: ("normal", "正常运行"),
    2: ("inspection", "检修"),
    3: ("fire return", "消防返回"),
    4: ("firefighter operation", "消防员运行"),
    5: ("emergency power", "应急电源运行"),
    6: ("earthquake", "地震模式"),
    7: ("unknown", "未知"),
}
"""Service_Mode of GB/T 24476-2017, as three independent implementations agree."""

_DIRECTIONS = {0: ("none", "无方向"), 1: ("up", "上行"), 2: ("down", "下行")}
_RUNNING = {0: ("stopped", "停止"), 1: ("running", "运行")}
_BURNER_STAGES = {
    0: ("off", "停炉"),
    1: ("purge", "吹扫"),
    2: ("pilot", "点火"),
    3: ("low fire", "小火"),
    4: ("high fire", "大火"),
    5: ("lock-out", "联锁停炉"),
}
_HOIST_COMMANDS = {-1: ("down", "下降"), 0: ("stop", "停止"), 1: ("up", "上升")}

CHANNELS: Mapping[Kind, tuple[Channel, ...]] = {
    Kind.LIFT: (
        _code("service_mode", "service mode", "服务模式", SERVICE_MODES),
        _code("car_status", "car status", "轿厢运行状态", _RUNNING),
        _code("car_direction", "car direction", "轿厢运行方向", _DIRECTIONS),
        _flag("door_zone", "in door zone", "处于开锁区域"),
        _label("car_position", "car position", "轿厢位置"),
        _flag("door_closed", "car door closed", "轿门关闭到位"),
        _flag("passenger_present", "passenger present", "轿厢内有人"),
        _number("speed_mps", "m/s", -20, 20, "car speed", "轿厢速度"),
        _number("load_kg", "kg", -500, 20_000, "car load", "轿厢载荷"),
        _flag("mains_power", "mains power", "主电源"),
        _number("running_time_h", "h", 0, 1e6, "running time", "累计运行时间"),
        _number("trips", "1", 0, 1e9, "trips", "累计运行次数"),
        _number("door_cycles", "1", 0, 1e9, "door cycles", "累计开门次数"),
        _number("cabin_temperature_c", "°C", -40, 90, "cabin temperature", "轿厢温度"),
    ),
    Kind.ESCALATOR: (
        _code("service_mode", "service mode", "服务模式", SERVICE_MODES),
        _code("operation_status", "operation status", "运行状态", _RUNNING),
        _code("operation_direction", "direction", "运行方向", _DIRECTIONS),
        _number("speed_mps", "m/s", -5, 5, "step speed", "梯级速度"),
        _number("handrail_speed_left_mps", "m/s", -5, 5, "left handrail speed", "左扶手带速度"),
        _number("handrail_speed_right_mps", "m/s", -5, 5, "right handrail speed", "右扶手带速度"),
    ),
    Kind.BOILER: (
        _number("steam_pressure_mpa", "MPa", -0.11, 40, "steam pressure (gauge)", "蒸汽压力(表压)"),
        _number("water_level_mm", "mm", -2_000, 2_000, "water level", "水位"),
        _flag("low_water", "low-water switch", "低水位开关"),
        _number("steam_temperature_c", "°C", -50, 800, "steam temperature", "蒸汽温度"),
        _number("flue_gas_temperature_c", "°C", -50, 1_500, "flue gas temperature", "排烟温度"),
        _number("feed_water_temperature_c", "°C", -50, 400, "feed-water temperature", "给水温度"),
        _number("feed_water_flow_tph", "t/h", -10, 5_000, "feed-water flow", "给水流量"),
        _number("steam_flow_tph", "t/h", -10, 5_000, "steam flow", "蒸汽流量"),
        _flag("feed_pump_on", "feed pump on", "给水泵运行"),
        _flag("flame_on", "flame on", "火焰"),
        _code("burner_stage", "burner stage", "燃烧器阶段", _BURNER_STAGES),
        _flag("safety_valve_lifted", "safety valve lifted", "安全阀起跳"),
    ),
    Kind.CRANE: (
        _number("hook_load_t", "t", -100, 20_000, "hook load", "起重量"),
        _number("load_moment_tm", "t·m", -1_000, 1e6, "load moment", "起重力矩"),
        _number("radius_m", "m", 0, 500, "radius", "幅度"),
        _number("hook_height_m", "m", -300, 1_000, "hook height", "起升高度"),
        _number("hoist_speed_mps", "m/s", -20, 20, "hoist speed", "起升速度"),
        _number("trolley_position_m", "m", -1_000, 10_000, "trolley position", "小车位置"),
        _number("bridge_position_m", "m", -10_000, 10_000, "bridge position", "大车位置"),
        _number("wind_speed_mps", "m/s", 0, 120, "wind speed", "风速"),
        _number("sway_deg", "°", -90, 90, "sway", "摆角"),
        _flag("hoist_brake_closed", "hoist brake closed", "起升制动器闭合"),
        _code("hoist_command", "hoist command", "起升指令", _HOIST_COMMANDS),
    ),
    Kind.VESSEL: (
        _number("internal_pressure_mpa", "MPa", -0.11, 100, "pressure (gauge)", "容器压力(表压)"),
        _number("temperature_c", "°C", -200, 1_200, "temperature", "温度"),
        _flag("door_closed", "door closed", "门关闭"),
        _flag("lock_engaged", "lock engaged", "锁紧到位"),
        _flag("vent_open", "vent open", "放空阀打开"),
    ),
    Kind.VEHICLE: (
        _number("speed_kmh", "km/h", -100, 200, "speed", "速度"),
        _flag("seat_occupied", "seat occupied", "座椅有人"),
        _flag("belt_fastened", "belt fastened", "安全带系好"),
        _label("operator_id", "operator", "操作人员"),
        _number("impact_g", "g", -200, 200, "impact", "冲击"),
        _number("mast_height_m", "m", -1, 30, "mast height", "门架高度"),
        _number("fork_load_t", "t", -5, 500, "fork load", "货叉载荷"),
    ),
}

COLUMNS: Mapping[Kind, Mapping[str, int]] = {
    kind: {channel.name: column for column, channel in enumerate(channels)}
    for kind, channels in CHANNELS.items()
}
"""Per kind, the column of each channel in `ReadingBatch.values`."""
