"""Fault, event and alarm codes by dialect: versioned data, never arithmetic.

Source of ``gbt24476``: the tables of GB/T 24476-2017 as at least two independent implementations
agree on them; the standard's own text was not read. Local extensions give the same number different
meanings, so nothing above 08 is national. An unknown code is stored and shown, and feeds no rule.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.incidents import IncidentKind, Level

DEFAULT_DIALECT = "gbt24476"


class CodeClass(StrEnum):
    """What a code speaks of."""

    NONE = "none"
    FAULT = "fault"
    EVENT = "event"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Meaning of one code of one dialect.

    Parameters
    ----------
    kind, level
        Incident that the code itself is; ``None`` when it only informs other rules.
    sets
        Channel and value that the code's condition means while active (event 43 is
        ``service_mode`` 2); the newer of code and channel wins.
    restores
        Channel and value once the condition has ended.
    """

    dialect: str
    code: str
    cls: CodeClass
    en: str
    zh: str
    kind: IncidentKind | None = None
    level: Level | None = None
    sets: tuple[str, int] | None = None
    restores: tuple[str, int] | None = None

    @property
    def key(self) -> str:
        """``dialect:code``, as batches, stores and screens write it."""
        return f"{self.dialect}:{self.code}"


def _fault(code: str, en: str, zh: str, kind: IncidentKind = IncidentKind.LIFT_FAULT) -> Code:
    return Code(
        dialect=DEFAULT_DIALECT,
        code=code,
        cls=CodeClass.FAULT,
        en=en,
        zh=zh,
        kind=kind,
        level=Level.ADVISORY,
    )


def _event(code: str, en: str, zh: str, channel: str, value: int) -> Code:
    return Code(
        dialect=DEFAULT_DIALECT,
        code=code,
        cls=CodeClass.EVENT,
        en=en,
        zh=zh,
        sets=(channel, value),
        restores=(channel, 1),
    )


_GBT24476 = (
    Code(dialect=DEFAULT_DIALECT, code="00", cls=CodeClass.NONE, en="No fault", zh="无故障"),
    _fault("01", "Safety circuit open while running", "运行时安全回路断路"),
    _fault("02", "Door closing fault", "关门故障"),
    _fault("03", "Door opening fault", "开门故障"),
    _fault("04", "Car stopped outside the unlocking zone", "轿厢在开锁区域外停止"),
    _fault("05", "Unintended car movement", "轿厢意外移动"),
    _fault("06", "Motor run-time limiter acted", "电动机运转时间限制器动作"),
    _fault("07", "Floor position lost", "楼层位置丢失"),
    _fault("08", "Restart inhibited", "防止电梯再运行故障"),
    Code(
        dialect=DEFAULT_DIALECT,
        code="40",
        cls=CodeClass.EVENT,
        en="Returned to automatic operation",
        zh="电梯恢复自动运行模式",
        sets=("service_mode", 1),
    ),
    _event("41", "Main power off", "主电源断电", "mains_power", 0),
    _event("42", "Entered out of service", "进入停止服务", "service_mode", 0),
    _event("43", "Entered inspection", "进入检修运行模式", "service_mode", 2),
    _event("44", "Entered fire return", "进入消防返回模式", "service_mode", 3),
    _event("45", "Entered firefighter operation", "进入消防员运行模式", "service_mode", 4),
    _event("46", "Entered emergency power operation", "进入应急电源运行", "service_mode", 5),
    _event("47", "Entered earthquake mode", "进入地震模式", "service_mode", 6),
    _fault("61", "Safety circuit open", "安全回路断路", IncidentKind.ESCALATOR_FAULT),
    _fault("62", "Overspeed protection acted", "超速保护动作", IncidentKind.ESCALATOR_FAULT),
    _fault(
        "63",
        "Unintended reversal protection acted",
        "非操纵逆转保护动作",
        IncidentKind.ESCALATOR_FAULT,
    ),
    _fault(
        "64",
        "Missing step or pallet protection acted",
        "梯级或踏板缺失保护动作",
        IncidentKind.ESCALATOR_FAULT,
    ),
    _fault("65", "Restart-prevention fault", "防止再启动故障", IncidentKind.ESCALATOR_FAULT),
    Code(
        dialect=DEFAULT_DIALECT,
        code="90",
        cls=CodeClass.ALARM,
        en="Alarm button pressed",
        zh="报警按钮动作",
        kind=IncidentKind.ALARM_BUTTON,
        level=Level.SUSPECTED,
    ),
)


def _by_key(codes: Iterable[Code]) -> Mapping[str, Code]:
    return {code.key: code for code in codes}


CODES: Mapping[str, Code] = _by_key(_GBT24476)
"""Every known code by ``dialect:code``."""

DIALECTS = frozenset(code.dialect for code in CODES.values())

RETURNED_TO_AUTOMATIC = f"{DEFAULT_DIALECT}:40"
"""Event that ends the states 41-47, mains power included."""


def code_text(raw: str | int) -> str:
    """Code as a string; a number is read as its two-digit string.

    >>> code_text(4)
    '04'
    """
    return f"{raw:02d}" if isinstance(raw, int) else raw
