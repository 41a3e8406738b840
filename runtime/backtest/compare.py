"""Two versions of the detectors on one history: what the second would add, and what it loses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detectors.scoring import EARLY_NS, Match
from domain.instants import NS_PER_S, to_iso
from runtime.backtest.evidence import Subject
from runtime.backtest.judging import Judged
from runtime.backtest.report import LISTED_MAX, score_report

PICTURES_OF_DETECTOR = 6
PICTURES_MAX = 40
"""Evidence plots of each sort and detector, and of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Alarms of one detector in two versions.

    Parameters
    ----------
    added, lost
        Alarms of the second version alone, and of the first alone.
    both
        Alarms of both, first and second version.
    """

    added: tuple[Match, ...]
    lost: tuple[Match, ...]
    both: tuple[tuple[Match, Match], ...]


def difference(first: Sequence[Match], second: Sequence[Match]) -> Difference:
    """Pair alarms of one device and case whose times overlap, each with one other at most."""
    waiting: dict[tuple[str, str], list[Match]] = {}
    for match in sorted(second, key=lambda match: match.alarm.raised_ns):
        waiting.setdefault((match.alarm.equipment_id, match.alarm.case), []).append(match)
    lost: list[Match] = []
    both: list[tuple[Match, Match]] = []
    for match in sorted(first, key=lambda match: match.alarm.raised_ns):
        candidates = waiting.get((match.alarm.equipment_id, match.alarm.case), [])
        found = next((other for other in candidates if _overlap(match, other)), None)
        if found is None:
            lost.append(match)
        else:
            candidates.remove(found)
            both.append((match, found))
    added = [match for matches in waiting.values() for match in matches]
    added.sort(key=lambda match: match.alarm.raised_ns)
    return Difference(added=tuple(added), lost=tuple(lost), both=tuple(both))


def compare(first: Mapping[str, Judged], second: Mapping[str, Judged]) -> dict[str, Any]:
    """By detector, the second version's figures and what it would have added and lost."""
    return {name: _compared(first[name], second[name]) for name in first}


def _compared(first: Judged, second: Judged) -> dict[str, Any]:
    found = difference(first.matches, second.matches)
    return {
        "first": score_report(first.score),
        "second": score_report(second.score),
        "added": [match_report(match) for match in found.added[:LISTED_MAX]],
        "added_count": _counted(found.added),
        "lost": [match_report(match) for match in found.lost[:LISTED_MAX]],
        "lost_count": _counted(found.lost),
        "sooner": sum(_moved_s(pair) < 0 for pair in found.both),
        "later": sum(_moved_s(pair) > 0 for pair in found.both),
    }


def subjects(judged: Sequence[Mapping[str, Judged]]) -> list[Subject]:
    """What deserves a plot: differences of two versions, else false alarms and missed truths.

    At most `PICTURES_OF_DETECTOR` of each sort and detector, and `PICTURES_MAX` of all.
    """
    found: list[Subject] = []
    for name, one in judged[0].items():
        if len(judged) > 1:
            changed = difference(one.matches, judged[1][name].matches)
            found += _alarms("added", name, changed.added)
            found += _alarms("lost", name, changed.lost)
        else:
            found += _alarms("false alarm", name, [m for m in one.matches if m.false])
            found += [
                Subject(title="missed", detector=name, fact=fact)
                for fact in one.missed[:PICTURES_OF_DETECTOR]
            ]
    return found[:PICTURES_MAX]


def _alarms(title: str, detector: str, matches: Sequence[Match]) -> list[Subject]:
    return [
        Subject(
            title=f"{title}, {verdict(match)}" if title in {"added", "lost"} else title,
            detector=detector,
            alarm=match.alarm,
            fact=match.cause or match.explanation or match.occasion,
        )
        for match in matches[:PICTURES_OF_DETECTOR]
    ]


def match_report(match: Match) -> dict[str, Any]:
    """An alarm and what is behind it, as one plain object."""
    fact = match.cause or match.explanation or match.occasion
    return {
        "equipment_id": match.alarm.equipment_id,
        "kind": str(match.alarm.kind),
        "level": str(match.alarm.levels[-1][0]),
        "onset": to_iso(match.alarm.onset_ns),
        "raised": to_iso(match.alarm.raised_ns),
        "verdict": verdict(match),
        "fact": None if fact is None else fact.cause,
    }


def verdict(match: Match) -> str:
    """``true``, ``explained`` or ``false``."""
    if match.false:
        return "false"
    return "explained" if match.cause is None else "true"


def _counted(matches: Sequence[Match]) -> dict[str, int]:
    verdicts = [verdict(match) for match in matches]
    return {word: verdicts.count(word) for word in ("true", "explained", "false")}


def _moved_s(pair: tuple[Match, Match]) -> float:
    return (pair[1].alarm.raised_ns - pair[0].alarm.raised_ns) / NS_PER_S


def _overlap(one: Match, other: Match) -> bool:
    a, b = one.alarm, other.alarm
    return a.onset_ns <= _until_ns(other) and b.onset_ns <= _until_ns(one)


def _until_ns(match: Match) -> int:
    """End of an alarm, at least a minute after it was raised: neighbours in time are one alarm."""
    alarm = match.alarm
    return max(alarm.raised_ns + EARLY_NS, alarm.end_ns or 0)
