"""Values as the console writes them: times in Asia/Shanghai, durations, evidence."""

# ruff: noqa: RUF001 - Chinese is written with full-width punctuation

import re

from api.console.texts import Language, observation, pick, text
from api.live import value_texts
from dispatch.lifecycle import SYSTEM
from domain.channels import CHANNELS, COLUMNS
from domain.equipment import Kind
from domain.findings import Evidence
from domain.incidents import (
    KIND_NAMES,
    CloseReason,
    IncidentAction,
    IncidentEvent,
    IncidentKind,
)
from domain.instants import NS_PER_S, SHANGHAI, to_datetime

_MINUTE_S = 60
_HOUR_S = 3_600
_DAY_S = 86_400
_UNITS = {
    Language.EN: (" s", " min", " h", " d"),
    Language.ZH: (" 秒", " 分钟", " 小时", " 天"),
}
_CLAIM = re.compile(
    r"(?:to (advisory|suspected|confirmed): )?(\w+) (raised|ended) by (\w+)((?:, \w+)*)"
    r" \[[0-9a-f]{32}\]"
)
"""How dispatch writes a finding into the history."""

_SYSTEM_NOTES = (
    (
        re.compile(r"^nobody was notified: the registry names no .*$"),
        "未通知任何人：登记信息无维保单位",
    ),
    (
        re.compile(r"^nobody was notified: maintenance firm (\S+) is not in the registry$"),
        r"未通知任何人：维保单位 \1 未登记",
    ),
    (
        re.compile(r"^nobody was notified: maintenance firm (\S+) has neither webhook nor MQTT$"),
        r"未通知任何人：维保单位 \1 未配置 webhook 或 MQTT",
    ),
    (re.compile(r"^(\S+) was not reached by (\S+) \((\w+)\):"), r"\1 未能通过 \2 送达（\3）："),
    (re.compile(r"; still standing: "), "；仍然存在："),
)
"""What dispatch itself notes, in Chinese; anything else is shown as it is."""


def shanghai(instant_ns: int, *, date: bool = True) -> str:
    """Wall time in Asia/Shanghai to the second."""
    wall = to_datetime(instant_ns).astimezone(SHANGHAI)
    return wall.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S")


def duration(duration_s: float, language: Language) -> str:
    """Duration in its largest sensible unit."""
    second, minute, hour, day = _UNITS[language]
    if duration_s < 2 * _MINUTE_S:
        return f"{duration_s:.0f}{second}"
    if duration_s < 2 * _HOUR_S:
        return f"{duration_s / _MINUTE_S:.0f}{minute}"
    if duration_s < 2 * _DAY_S:
        return f"{duration_s / _HOUR_S:.0f}{hour}"
    return f"{duration_s / _DAY_S:.0f}{day}"


def signed_seconds(duration_ns: int | None, language: Language) -> str:
    """Time with its sign, below two minutes to a hundredth of a second; ``None`` is unknown."""
    if duration_ns is None:
        return text("unknown", language)
    duration_s = duration_ns / NS_PER_S
    if abs(duration_s) < 2 * _MINUTE_S:
        return f"{duration_s:.2f}{_UNITS[language][0]}"
    return ("-" if duration_s < 0 else "") + duration(abs(duration_s), language)


def age(from_ns: int, now_ns: int, language: Language) -> str:
    """Time passed since an instant; one that lies ahead counts as now."""
    return duration(max(0, now_ns - from_ns) / NS_PER_S, language)


def number(value: float) -> str:
    """Number with at most four significant decimals."""
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"  # noqa: PLR2004 - a width


def plain_value(value: float | bool | str | None, unit: str, language: Language) -> str:
    """Value with its unit; ``None`` is unknown."""
    match value:
        case None:
            return text("unknown", language)
        case bool():
            return text("yes" if value else "no", language)
        case str():
            return observation(value, None, language)
        case _:
            return f"{number(value)} {unit}".rstrip() if unit != "1" else number(value)


def evidence_value(evidence: Evidence, kind: Kind | None, language: Language) -> str:
    """Value of an observation; a code channel's number in words."""
    if kind is not None and evidence.name in COLUMNS[kind]:
        channel = CHANNELS[kind][COLUMNS[kind][evidence.name]]
        en, zh = value_texts(channel, evidence.value)
        if en is not None and zh is not None:
            return pick((en, zh), language)
    if evidence.name in {"note", "reported_by"}:
        return str(evidence.value or "")
    return plain_value(evidence.value, evidence.unit, language)


def note_text(event: IncidentEvent, language: Language) -> str:
    """Note of a history line: a finding or a reason in words, without the finding's id."""
    if event.actor == SYSTEM or event.action is IncidentAction.OPENED:
        claims = _CLAIM.sub(lambda found: _claim(found, language), event.note)
        return _system_note(claims, language)
    reason, separator, rest = event.note.partition(": ")
    if event.action is IncidentAction.CLOSED and reason in set(CloseReason):
        return text(f"reason_{reason}", language) + separator + rest
    return event.note


def _system_note(note: str, language: Language) -> str:
    for pattern, chinese in _SYSTEM_NOTES if language is Language.ZH else ():
        note = pattern.sub(chinese, note)
    return note


def _claim(found: re.Match[str], language: Language) -> str:
    level, kind, phase, detector, rest = found.groups()
    if kind not in set(IncidentKind):
        return found.group().partition(" [")[0]
    raised = f"{text(f'level_{level}', language)}: " if level else ""
    name = pick(KIND_NAMES[IncidentKind(kind)], language)
    return f"{raised}{name} {text(f'claim_{phase}', language)} {detector}{rest}"


def actor_name(actor: str, language: Language) -> str:
    """Who did it, without the prefix of people."""
    return text("system", language) if actor == SYSTEM else actor.removeprefix("user:")
