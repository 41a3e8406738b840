"""Event strings of property management platforms."""

from functools import partial

from domain.dialects.table import Dialect, entrapment, fault, nothing, notice, state
from domain.incidents import IncidentKind

NAME = "property"

_fault = partial(fault, NAME)
_notice = partial(notice, NAME)
_over_travel = partial(fault, NAME, kind=IncidentKind.OVER_TRAVEL)

DIALECT = Dialect(
    name=NAME,
    version="1",
    en="Property platform events",
    zh="物业平台事件代码",
    source="public source code of a property platform; 0699 is read as the end of all faults",
    codes=(
        entrapment(NAME, "0101", "Entrapment", "困人"),
        _fault("0201", "Door fault", "门故障"),
        _fault("0202", "Safety circuit open", "安全回路断路"),
        _fault("0203", "Car stopped outside the unlocking zone", "轿厢在开锁区域外停止"),
        _over_travel("0204", "Over-travel at the bottom", "蹲底"),
        _over_travel("0205", "Over-travel at the top", "冲顶"),
        _fault("0207", "Unintended car movement", "轿厢意外移动"),
        _notice("0313", "Device offline", "设备离线"),
        _notice("0314", "Parked too long", "停靠时间过长"),
        _notice("0315", "Suspected stoppage", "疑似停梯"),
        _notice("0317", "Electric bicycle in the car", "电动车进入轿厢"),
        state(NAME, "0401", "Out of service", "停止服务", "service_mode", 0),
        state(NAME, "0402", "Inspection", "检修", "service_mode", 2),
        nothing(NAME, "0699", "Reset", "复位"),
    ),
)
