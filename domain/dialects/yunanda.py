"""HTTP interface of the terminal vendor Yunanda."""

from functools import partial

from domain.dialects import gbt24476
from domain.dialects.table import Dialect, adopted, alarm, fault
from domain.incidents import IncidentKind

NAME = "yunanda"

_fault = partial(fault, NAME)
_over_travel = partial(fault, NAME, kind=IncidentKind.OVER_TRAVEL)
_moved_open = partial(fault, NAME, kind=IncidentKind.MOVED_WITH_DOOR_OPEN)

DIALECT = Dialect(
    name=NAME,
    version="1",
    en="Yunanda vendor interface",
    zh="云安达厂商接口代码",
    source="a public client of the vendor's HTTP interface; 00-07 are those of the base list",
    codes=(
        *adopted(NAME, gbt24476.DIALECT.codes, "00", "07"),
        _moved_open("08", "Door opened while running", "运行中开门"),
        _over_travel("09", "Over-travel at the top", "冲顶"),
        _over_travel("10", "Over-travel at the bottom", "蹲底"),
        _fault("11", "Overspeed", "超速"),
        _moved_open("12", "Ran with the door open", "开门走车"),
        _fault("13", "Run timeout", "运行超时"),
        fault(NAME, "14", "Repeated door cycling", "反复开关门", IncidentKind.DOOR_CYCLING),
        alarm(NAME, "15", "Alarm button pressed", "报警按钮动作"),
        _fault("99", "Other fault", "其他故障"),
    ),
)
