"""Internal numbers of Shmashine and of older terminals."""

from functools import partial

from domain.dialects.table import Dialect, alarm, entrapment, fault, notice, state
from domain.incidents import IncidentKind

NAME = "shmashine"

_fault = partial(fault, NAME)
_over_travel = partial(fault, NAME, kind=IncidentKind.OVER_TRAVEL)
_moved_open = partial(fault, NAME, kind=IncidentKind.MOVED_WITH_DOOR_OPEN)
_off_level = partial(entrapment, NAME, kind=IncidentKind.ENTRAPMENT_OFF_LEVEL)
_escalator = partial(
    fault, NAME, en="Escalator fault", zh="自动扶梯故障", kind=IncidentKind.ESCALATOR_FAULT
)

DIALECT = Dialect(
    name=NAME,
    version="1",
    en="Shmashine and older terminals",
    zh="麦信及早期终端代码",
    source=(
        "public source code of the platform; the single meanings of 23-36, all of escalators, were "
        "not seen"
    ),
    codes=(
        _over_travel("01", "Over-travel at the top", "冲顶"),
        _over_travel("02", "Over-travel at the bottom", "蹲底"),
        _fault("03", "Overspeed", "超速"),
        _moved_open("04", "Door opened while running", "运行中开门"),
        _moved_open("05", "Moved with the door open", "开门走车"),
        _fault("06", "Car stopped outside the unlocking zone", "轿厢在开锁区域外停止"),
        entrapment(NAME, "07", "Entrapment at level", "平层困人"),
        _off_level("08", "Entrapment off level", "非平层困人"),
        state(NAME, "09", "Power cut", "停电", "mains_power", 0),
        _fault("10", "Safety circuit open", "安全回路断路"),
        _fault("11", "Door opening fault", "开门故障"),
        _fault("12", "Door closing fault", "关门故障"),
        _fault("13", "Lock circuit open", "门锁回路断路"),
        _fault("14", "Button stuck", "按钮粘连"),
        _fault("15", "Abnormal speed", "速度异常"),
        _fault("16", "Brake fault", "制动器故障"),
        _fault("17", "Run-time limiter acted", "运转时间限制器动作"),
        _fault("18", "Temperature sensor fault", "温度传感器故障"),
        _fault("19", "Floor position lost", "楼层位置丢失"),
        _fault("20", "Door obstructed", "门受阻"),
        alarm(NAME, "21", "Passenger alarm", "乘客报警"),
        _fault("22", "Battery fault", "电池故障"),
        *(_escalator(f"{number}") for number in range(23, 37)),
        notice(NAME, "37", "Electric bicycle in the car", "电动车进入轿厢"),
        _fault("38", "Abnormal vibration", "异常振动"),
        _fault("40", "Door motor blocked", "门电机堵转"),
        state(NAME, "41", "Main power off", "主电源断电", "mains_power", 0),
    ),
)
