"""Flags of a district telecom platform."""

from functools import partial

from domain.dialects.table import Dialect, alarm, entrapment, fault
from domain.incidents import IncidentKind

NAME = "telecom"

_over_travel = partial(fault, NAME, kind=IncidentKind.OVER_TRAVEL)
_moved_open = partial(fault, NAME, kind=IncidentKind.MOVED_WITH_DOOR_OPEN)
_off_level = partial(entrapment, NAME, kind=IncidentKind.ENTRAPMENT_OFF_LEVEL)

DIALECT = Dialect(
    name=NAME,
    version="1",
    en="District telecom platform flags",
    zh="区级电信平台标志",
    source="public source code of the platform; a flag's Y is active true, its N active false",
    codes=(
        _moved_open("F9990", "Door opened while running", "运行中开门"),
        _over_travel("F9991", "Over-travel at the bottom", "蹲底"),
        _over_travel("F9992", "Over-travel at the top", "冲顶"),
        alarm(NAME, "F9993", "Emergency call", "紧急呼叫"),
        _off_level("F9994", "Entrapment off level", "非平层困人"),
        entrapment(NAME, "F9995", "Long entrapment", "长时间困人"),
        _moved_open("F9996", "Moved down with the door open", "开门下行"),
        _moved_open("F9997", "Moved up with the door open", "开门上行"),
        fault(NAME, "F9998", "Door does not close", "门未关闭"),
        entrapment(NAME, "F9999", "Entrapment at level", "平层困人"),
    ),
)
