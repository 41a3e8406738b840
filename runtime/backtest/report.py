"""Results of a backtest as one plain object, for ``--json``, tables and the budget."""

from collections.abc import Mapping
from typing import Any

from detectors.scoring import Cover, Fact, Score
from domain.instants import to_iso
from runtime.backtest.judging import Judged, Run

DEVICES_PER_OPERATOR = 20_000
"""Devices that one operator looks after: a district (EEMUA 191 allows 6 alarms an hour to one)."""

LISTED_MAX = 100
"""Missed truths, false alarms and untold dangers listed of each detector; all are counted."""

_HOURS_PER_YEAR = 365.25 * 24.0


def detector_report(judged: Judged) -> dict[str, Any]:
    """One detector's figures, with those of its levels and kinds and what to look at."""
    report = score_report(judged.score)
    report["levels"] = {str(level): score_report(s) for level, s in judged.levels.items()}
    report["kinds"] = {str(kind): score_report(s) for kind, s in judged.kinds.items()}
    report["missed_truths"] = [fact_report(fact) for fact in judged.missed[:LISTED_MAX]]
    report["covered_truths"] = [cover_report(cover) for cover in judged.covered[:LISTED_MAX]]
    false = [match for match in judged.matches if match.false]
    report["false_alarms"] = [
        {
            "equipment_id": match.alarm.equipment_id,
            "kind": str(match.alarm.kind),
            "level": str(match.alarm.levels[-1][0]),
            "onset": to_iso(match.alarm.onset_ns),
            "raised": to_iso(match.alarm.raised_ns),
            "during": match.occasion.cause if match.occasion else None,
        }
        for match in sorted(false, key=lambda match: match.alarm.raised_ns)[:LISTED_MAX]
    ]
    return report


def score_report(score: Score) -> dict[str, Any]:
    """Figures of one score; what cannot be said is ``None``."""
    return {
        "truth": score.truth,
        "detected": score.detected,
        "false": score.false,
        "precision": _rounded(score.precision),
        "recall": _rounded(score.recall),
        "ttd_s": {
            "p50": _rounded(score.delay_s(0.5), 2),
            "p95": _rounded(score.delay_s(0.95), 2),
        },
        "false_per_device_year": _rounded(score.false_per_device_year),
        "false_per_device_year_ci95": _interval(score.false_interval),
        "natural_false_per_device_year": _rounded(score.natural_rate),
        "natural_false_per_device_year_ci95": _interval(score.natural_interval),
        "false_during": dict(sorted(score.occasions.items())),
        "false_devices": score.false_devices,
        "alarms": score.alarms,
        "explained": score.explained,
        "repeated": score.repeated,
        "covered": score.covered,
        "untold": score.untold,
        "alarms_per_operator_hour": _rounded(_per_operator_hour(score)),
        "device_years": _rounded(score.device_years, 6),
    }


def run_report(run: Run) -> dict[str, Any]:
    """What was watched, and for how long."""
    return {
        "start": to_iso(run.start_ns),
        "end": to_iso(run.end_ns),
        "devices": len(run.equipment),
        "device_years": _rounded(len(run.equipment) * run.years, 6),
    }


def fact_report(fact: Fact) -> dict[str, Any]:
    """A fact as a truth file names it."""
    return {
        "equipment_id": fact.equipment_id,
        "kind": None if fact.kind is None else str(fact.kind),
        "cause": fact.cause,
        "from": _iso(fact.from_ns),
        "to": _iso(fact.to_ns),
        "evidence_from": _iso(fact.evidence_from_ns),
    }


def cover_report(cover: Cover) -> dict[str, Any]:
    """A truth that an open alarm covers: the truth, and what was open."""
    return {
        **fact_report(cover.fact),
        "alarm_onset": to_iso(cover.alarm.onset_ns),
        "alarm_raised": to_iso(cover.alarm.raised_ns),
        "said_again": to_iso(cover.said_ns),
        "alarm_closed": _iso(cover.alarm.closed_ns),
    }


def people_report(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report as people read it at a shell: tables, and what needs them."""
    shown: dict[str, Any] = {key: report[key] for key in _HEADLINES if key in report}
    told = {n: o for n, o in report.get("detectors", {}).items() if o["truth"] or o["alarms"]}
    if "detectors" in report:
        shown["detectors"] = [_row(name, one) for name, one in told.items()]
        shown["nothing to detect, nothing raised"] = sorted(report["detectors"].keys() - told)
    for name, one in report.get("compare", {}).items():
        for word in ("added", "lost"):
            if one[word]:
                shown[f"{word}: {name}"] = one[word]
    for kind, one in report.get("exposure", {}).items():
        shown[f"natural exposure: {kind}"] = [
            {"of": "normal operation", "events": one["normal"]["trips"], **_told(one["normal"])},
            *(
                {"of": name, "events": met["events"], **_told(met)}
                for name, met in one["nuisances"].items()
            ),
        ]
    if "nab" in report:
        shown["nab"] = [
            {"set": name, **{k: v for k, v in one.items() if k != "nab"}, **one["nab"]}
            for name, one in report["nab"].items()
        ]
    if "exceeded" in report:
        shown["exceeded"] = report["exceeded"]
    return shown


_HEADLINES = (
    "origin",
    "devices",
    "device_years",
    "device_days_per_s",
    "detect_device_days_per_s",
)


def _row(name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "detector": name,
        **{key: one[key] for key in ("truth", "detected", "false", "precision", "recall")},
        "ttd p50/p95 s": "{} / {}".format(*one["ttd_s"].values()) if one["detected"] else "",
        "false/device-year (95 %)": _rate(one),
    }


def _told(exposure: Mapping[str, Any]) -> dict[str, Any]:
    """Years, and the bound that a detector without a false alarm there has."""
    bound = exposure["upper95_without_false"]
    return {"device-years": exposure["device_years"], "none false: at most/device-year": bound}


def _rate(one: Mapping[str, Any]) -> str:
    rate, interval = one["false_per_device_year"], one["false_per_device_year_ci95"]
    return "" if interval is None else "{:g} ({:g} - {:g})".format(rate, *interval)


def _per_operator_hour(score: Score) -> float | None:
    if not score.device_years:
        return None
    return score.alarms / (score.device_years * _HOURS_PER_YEAR) * DEVICES_PER_OPERATOR


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)


def _interval(bounds: tuple[float, float] | None) -> list[float] | None:
    return None if bounds is None else [round(bound, 4) for bound in bounds]


def _iso(instant_ns: int | None) -> str | None:
    return None if instant_ns is None else to_iso(instant_ns)
