"""Fault enumerations of BACnet, one dialect for lifts and one for escalators."""

from domain.dialects.table import Dialect, fault
from domain.incidents import IncidentKind

_LIFT = "bacnet-lift"
_ESCALATOR = "bacnet-escalator"
_SOURCE = "enumerations of ASHRAE 135 as four public stacks quote them"

_LIFT_FAULTS = (
    ("Controller fault", "控制器故障"),
    ("Drive and motor fault", "驱动与电动机故障"),
    ("Governor and safety gear fault", "限速器与安全钳故障"),
    ("Lift shaft device fault", "井道装置故障"),
    ("Power supply fault", "电源故障"),
    ("Safety interlock fault", "安全联锁故障"),
    ("Door closing fault", "关门故障"),
    ("Door opening fault", "开门故障"),
    ("Car stopped outside the landing zone", "轿厢在层站区域外停止"),
    ("Call button stuck", "呼梯按钮粘连"),
    ("Start failure", "起动失败"),
    ("Controller supply fault", "控制器电源故障"),
    ("Self-test failure", "自检失败"),
    ("Run-time limit exceeded", "超过运转时间限制"),
    ("Position lost", "位置丢失"),
    ("Drive temperature exceeded", "驱动温度过高"),
    ("Load measurement fault", "称重故障"),
)
_ESCALATOR_FAULTS = (
    ("Controller fault", "控制器故障"),
    ("Drive and motor fault", "驱动与电动机故障"),
    ("Mechanical component fault", "机械部件故障"),
    ("Overspeed", "超速"),
    ("Power supply fault", "电源故障"),
    ("Safety device fault", "安全装置故障"),
    ("Controller supply fault", "控制器电源故障"),
    ("Drive temperature exceeded", "驱动温度过高"),
    ("Comb plate fault", "梳齿板故障"),
)

LIFT = Dialect(
    name=_LIFT,
    version="1",
    en="BACnet lift faults",
    zh="BACnet 电梯故障",
    source=_SOURCE,
    codes=tuple(
        fault(_LIFT, f"{number:02d}", en, zh) for number, (en, zh) in enumerate(_LIFT_FAULTS)
    ),
)
ESCALATOR = Dialect(
    name=_ESCALATOR,
    version="1",
    en="BACnet escalator faults",
    zh="BACnet 自动扶梯故障",
    source=_SOURCE,
    codes=tuple(
        fault(_ESCALATOR, f"{number:02d}", en, zh, IncidentKind.ESCALATOR_FAULT)
        for number, (en, zh) in enumerate(_ESCALATOR_FAULTS)
    ),
)
