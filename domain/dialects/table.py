"""What a code table is made of: the meaning of one code, and a dialect's version and source."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from domain.incidents import IncidentKind, Level


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
    returns_to_automatic
        It ends every state that an event of its dialect began, loss of mains power included.
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
    returns_to_automatic: bool = False

    @property
    def key(self) -> str:
        """``dialect:code``, as batches, stores and screens write it."""
        return f"{self.dialect}:{self.code}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One table of codes.

    Parameters
    ----------
    name
        As items and the registry write it.
    version
        Edition of the standard, else of our table.
    source
        Where the meanings come from, and what in them is assumed.
    codes
        In the order in which documents list them.
    """

    name: str
    version: str
    en: str
    zh: str
    source: str
    codes: tuple[Code, ...]


def nothing(dialect: str, code: str, en: str, zh: str) -> Code:
    """Code that says that no fault is left: it ends every active fault of the device."""
    return Code(dialect=dialect, code=code, cls=CodeClass.NONE, en=en, zh=zh)


def fault(
    dialect: str, code: str, en: str, zh: str, kind: IncidentKind = IncidentKind.LIFT_FAULT
) -> Code:
    """Code of a condition that stands until it is said to have ended: work for engineers."""
    return Code(
        dialect=dialect,
        code=code,
        cls=CodeClass.FAULT,
        en=en,
        zh=zh,
        kind=kind,
        level=Level.ADVISORY,
    )


def entrapment(
    dialect: str, code: str, en: str, zh: str, kind: IncidentKind = IncidentKind.ENTRAPMENT_AT_LEVEL
) -> Code:
    """Code by which a terminal claims that somebody is trapped: a suspicion until corroborated.

    Where a dialect does not say whether the car stands level, the kind says at level; the rules
    that see the door zone make it off level.
    """
    return replace(fault(dialect, code, en, zh, kind), level=Level.SUSPECTED)


def alarm(dialect: str, code: str, en: str, zh: str) -> Code:
    """Code of an alarm button, momentary."""
    return Code(
        dialect=dialect,
        code=code,
        cls=CodeClass.ALARM,
        en=en,
        zh=zh,
        kind=IncidentKind.ALARM_BUTTON,
        level=Level.SUSPECTED,
    )


def state(dialect: str, code: str, en: str, zh: str, channel: str, value: int) -> Code:
    """Code of a state that a channel means too; 1 is the channel's value once it has ended."""
    return Code(
        dialect=dialect,
        code=code,
        cls=CodeClass.EVENT,
        en=en,
        zh=zh,
        sets=(channel, value),
        restores=(channel, 1),
    )


def automatic(dialect: str, code: str, en: str, zh: str) -> Code:
    """Code by which a lift says that it is back in automatic operation."""
    return Code(
        dialect=dialect,
        code=code,
        cls=CodeClass.EVENT,
        en=en,
        zh=zh,
        sets=("service_mode", 1),
        returns_to_automatic=True,
    )


def notice(dialect: str, code: str, en: str, zh: str) -> Code:
    """Code that is shown with its meaning and feeds no rule."""
    return Code(dialect=dialect, code=code, cls=CodeClass.EVENT, en=en, zh=zh)


def adopted(dialect: str, codes: Iterable[Code], first: str, last: str) -> tuple[Code, ...]:
    """Codes ``first`` to ``last`` of another table with the same meaning and effects here."""
    return tuple(replace(code, dialect=dialect) for code in codes if first <= code.code <= last)
