"""Figures of ``equipwatch bench ingest``, as one JSON object and as a table for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

LOADS = ("single", "batch")
VARIANTS = ("bare", "ingest", "full")
PERCENTILES = (50, 95, 99)

_US_PER_S = 1_000_000
_MS_PER_NS = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One paced run of one variant.

    Parameters
    ----------
    cpu_s
        CPU time of the variant's processes from the first message until the last was finished.
    messages, items
        What was published and finished meanwhile.
    asked_per_s, offered_per_s
        Messages a second that the publisher should send and did send.
    """

    load: str
    variant: str
    cpu_s: float
    messages: int
    items: int
    asked_per_s: float
    offered_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """One drain of one variant: messages that the broker had queued, as fast as it goes."""

    load: str
    variant: str
    messages_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Endurance:
    """One long paced run of ingest with the whole core.

    Parameters
    ----------
    lost
        Published items that are not in the telemetry store.
    latencies_ns
        From the publisher's hand-over of an alarm to its committed incident, one an incident.
    missed
        Expected incidents, overloads among them, that did not come.
    rss_mb
        Most resident memory of ingest and core together.
    """

    load: str
    messages: int
    items: int
    asked_per_s: float
    offered_per_s: float
    lost: int
    latencies_ns: Sequence[int]
    missed: int
    rss_mb: float
    duration_s: float


def report_of(
    costs: Sequence[Cost], speeds: Sequence[Speed], endurance: Sequence[Endurance]
) -> dict[str, Any]:
    """One object with the figures of every load and variant, medians over rounds."""
    report: dict[str, Any] = {load: _load(load, costs, speeds) for load in LOADS}
    report["item_to_bare_message"] = _ratio(
        report["batch"]["full"]["cpu_us_per_item"], report["single"]["bare"]["cpu_us_per_message"]
    )
    report["latency_ms"] = {run.load: latency_ms(run.latencies_ns) for run in endurance}
    report["rss_mb"] = round(max((run.rss_mb for run in endurance), default=0.0), 1)
    report["lost"] = sum(run.lost for run in endurance)
    report["offered"] = {load: _offered(load, costs) for load in LOADS}
    report["endurance"] = {run.load: _endurance(run) for run in endurance}
    return report


def _load(load: str, costs: Sequence[Cost], speeds: Sequence[Speed]) -> dict[str, Any]:
    figures: dict[str, Any] = {
        variant: _variant(
            [cost for cost in costs if (cost.load, cost.variant) == (load, variant)],
            [speed for speed in speeds if (speed.load, speed.variant) == (load, variant)],
        )
        for variant in VARIANTS
    }
    floor = figures["bare"]["cpu_us_per_message"]
    for variant in VARIANTS[1:]:
        figures[f"ratio_{variant}"] = _ratio(figures[variant]["cpu_us_per_message"], floor)
    return figures


def _ratio(cost_us: float | None, floor_us: float | None) -> float | None:
    return round(cost_us / floor_us, 3) if cost_us is not None and floor_us else None


def _offered(load: str, costs: Sequence[Cost]) -> dict[str, float | None]:
    """Messages a second that were asked for, and the least that any paced run got."""
    paced = [cost for cost in costs if cost.load == load]
    return {
        "asked_per_s": paced[0].asked_per_s if paced else None,
        "offered_per_s": round(min(c.offered_per_s for c in paced), 1) if paced else None,
    }


def _variant(costs: Sequence[Cost], speeds: Sequence[Speed]) -> dict[str, float | None]:
    return {
        "cpu_us_per_message": _middle([_US_PER_S * c.cpu_s / c.messages for c in costs]),
        "cpu_us_per_item": _middle([_US_PER_S * c.cpu_s / c.items for c in costs]),
        "messages_per_s": _middle([speed.messages_per_s for speed in speeds], digits=0),
    }


def _middle(values: Sequence[float], digits: int = 2) -> float | None:
    return round(median(values), digits) if values else None


def latency_ms(latencies_ns: Sequence[int]) -> dict[str, float | None]:
    """Percentiles of latencies; ``None`` when there are none."""
    if not latencies_ns:
        return {f"p{percent}": None for percent in PERCENTILES}
    values = np.percentile(np.asarray(latencies_ns) * _MS_PER_NS, PERCENTILES)
    return {
        f"p{percent}": round(float(value), 1)
        for percent, value in zip(PERCENTILES, values, strict=True)
    }


def _endurance(run: Endurance) -> dict[str, Any]:
    return {
        "duration_s": round(run.duration_s, 1),
        "messages": run.messages,
        "items": run.items,
        "asked_per_s": run.asked_per_s,
        "offered_per_s": round(run.offered_per_s, 1),
        "lost": run.lost,
        "alarms": len(run.latencies_ns),
        "missed": run.missed,
        "rss_mb": round(run.rss_mb, 1),
    }


def cost_rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the table of costs and speeds for people, one a load and variant."""
    return [
        {
            "load": load,
            "variant": variant,
            "us/message": report[load][variant]["cpu_us_per_message"],
            "us/item": report[load][variant]["cpu_us_per_item"],
            "ratio": report[load].get(f"ratio_{variant}"),
            "messages/s": report[load][variant]["messages_per_s"],
        }
        for load in LOADS
        for variant in VARIANTS
    ]


def endurance_rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the table of endurance runs for people, one a load."""
    return [
        {
            "load": load,
            **{f"{percent} ms": value for percent, value in report["latency_ms"][load].items()},
            **{name: run[name] for name in ("alarms", "missed", "lost", "rss_mb")},
            "offered": f"{run['offered_per_s'] / run['asked_per_s']:.0%}",
        }
        for load, run in report["endurance"].items()
    ]
