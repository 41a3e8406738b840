"""National base list of lift and escalator codes."""

from functools import partial

from domain.dialects.table import Dialect, alarm, automatic, fault, nothing, state
from domain.incidents import IncidentKind

NAME = "gbt24476"

_fault = partial(fault, NAME)
_state = partial(state, NAME)
_escalator = partial(fault, NAME, kind=IncidentKind.ESCALATOR_FAULT)

DIALECT = Dialect(
    name=NAME,
    version="2017",
    en="GB/T 24476 base list",
    zh="GB/T 24476 基本代码",
    source=(
        "the tables of GB/T 24476-2017 as at least two independent public implementations agree on "
        "them (61-65: one); the standard's own text was not read"
    ),
    codes=(
        nothing(NAME, "00", "No fault", "无故障"),
        _fault("01", "Safety circuit open while running", "运行时安全回路断路"),
        _fault("02", "Door closing fault", "关门故障"),
        _fault("03", "Door opening fault", "开门故障"),
        _fault("04", "Car stopped outside the unlocking zone", "轿厢在开锁区域外停止"),
        _fault("05", "Unintended car movement", "轿厢意外移动"),
        _fault("06", "Motor run-time limiter acted", "电动机运转时间限制器动作"),
        _fault("07", "Floor position lost", "楼层位置丢失"),
        _fault("08", "Restart inhibited", "防止电梯再运行故障"),
        automatic(NAME, "40", "Returned to automatic operation", "电梯恢复自动运行模式"),
        _state("41", "Main power off", "主电源断电", "mains_power", 0),
        _state("42", "Entered out of service", "进入停止服务", "service_mode", 0),
        _state("43", "Entered inspection", "进入检修运行模式", "service_mode", 2),
        _state("44", "Entered fire return", "进入消防返回模式", "service_mode", 3),
        _state("45", "Entered firefighter operation", "进入消防员运行模式", "service_mode", 4),
        _state("46", "Entered emergency power operation", "进入应急电源运行", "service_mode", 5),
        _state("47", "Entered earthquake mode", "进入地震模式", "service_mode", 6),
        _escalator("61", "Safety circuit open", "安全回路断路"),
        _escalator("62", "Overspeed protection acted", "超速保护动作"),
        _escalator("63", "Unintended reversal protection acted", "非操纵逆转保护动作"),
        _escalator("64", "Missing step or pallet protection acted", "梯级或踏板缺失保护动作"),
        _escalator("65", "Restart-prevention fault", "防止再启动故障"),
        alarm(NAME, "90", "Alarm button pressed", "报警按钮动作"),
    ),
)
