"""A backtest as one HTML file: tables and plots, with the charting library inside.

The file opens without a network. Everything that came out of a history is escaped.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import plotly.offline
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.subplots import make_subplots

from domain.instants import SHANGHAI, to_datetime
from runtime.backtest.evidence import Picture
from runtime.backtest.judging import Judged

_TEMPLATE = "page.html"
_TRACE_HEIGHT_PX = 90


def write_page(
    path: Path, report: Mapping[str, Any], judged: Mapping[str, Judged], shown: Sequence[Picture]
) -> None:
    """Write the page.

    Parameters
    ----------
    report
        The whole report.
    judged
        Results of the version under test.
    shown
        Evidence plots.
    """
    told = {name: one for name, one in judged.items() if one.score.truth or one.score.alarms}
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(_TEMPLATE).render(
        report=report,
        told=sorted(told),
        quiet=sorted(judged.keys() - told.keys()),
        script=Markup(plotly.offline.get_plotlyjs()),  # noqa: S704 - the installed package's own
        figures=[
            (title, _embedded(figure))
            for title, figure in (
                ("Recall", _recall(told)),
                ("False alarms per device-year, 95 %", _false_rates(judged)),
                ("Time from the beginning of a truth to its alarm", _delays(told)),
                ("What went on at false alarms", _occasions(told)),
            )
            if figure.data
        ],
        pictures=[(picture, _embedded(_picture(picture))) for picture in shown],
    )
    path.write_text(text, encoding="utf-8")


def _embedded(figure: go.Figure) -> Markup:
    """A figure as JSON that can stand inside a script element."""
    text = json.dumps(json.loads(figure.to_json()), ensure_ascii=True)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - nothing in it can end the element


def _figure(height: int = 340) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        template="plotly_white", height=height, margin={"l": 60, "r": 20, "t": 10, "b": 40}
    )
    return figure


def _recall(told: Mapping[str, Judged]) -> go.Figure:
    asked = {name: one.score for name, one in told.items() if one.score.truth}
    figure = _figure()
    if asked:
        figure.add_bar(
            x=list(asked),
            y=[score.recall for score in asked.values()],
            text=[f"{score.detected} of {score.truth}" for score in asked.values()],
        )
    figure.update_yaxes(range=[0, 1.05], title="recall")
    return figure


def _false_rates(judged: Mapping[str, Judged]) -> go.Figure:
    figure = _figure()
    scores = {name: one.score for name, one in judged.items() if one.score.device_years}
    rates = [score.false_per_device_year or 0.0 for score in scores.values()]
    bounds = [score.false_interval or (0.0, 0.0) for score in scores.values()]
    if scores:
        figure.add_scatter(
            x=list(scores),
            y=rates,
            mode="markers",
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [high - rate for (_, high), rate in zip(bounds, rates, strict=True)],
                "arrayminus": [rate - low for (low, _), rate in zip(bounds, rates, strict=True)],
            },
        )
    figure.update_yaxes(title="false alarms / device-year", rangemode="tozero")
    return figure


def _delays(told: Mapping[str, Judged]) -> go.Figure:
    figure = _figure()
    for name, one in told.items():
        for level, score in one.levels.items():
            delays = sorted(score.delays_s)
            share = [(place + 1) / len(delays) for place in range(len(delays))]
            if delays:
                figure.add_scatter(x=delays, y=share, name=f"{name}, {level}", line_shape="hv")
    figure.update_xaxes(title="s")
    figure.update_yaxes(title="share of detected truths", range=[0, 1.05])
    return figure


def _occasions(told: Mapping[str, Judged]) -> go.Figure:
    figure = _figure()
    causes = sorted({cause for one in told.values() for cause in one.score.occasions})
    for cause in causes:
        counts = {name: one.score.occasions.get(cause, 0) for name, one in told.items()}
        figure.add_bar(x=list(counts), y=list(counts.values()), name=cause)
    figure.update_layout(barmode="stack")
    figure.update_yaxes(title="false alarms")
    return figure


def _picture(picture: Picture) -> go.Figure:
    rows = max(len(picture.traces), 1)
    figure = make_subplots(rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.03)
    for number, trace in enumerate(picture.traces, start=1):
        label = f"{trace.channel} [{trace.unit}]" if trace.unit else trace.channel
        figure.add_scatter(
            x=_local(trace.times_ns),
            y=list(trace.values),
            row=number,
            col=1,
            mode="lines+markers",
            marker_size=3,
            line_shape="hv",
            name=label,
        )
    _mark(figure, picture)
    figure.update_xaxes(range=_local(picture.span_ns))
    figure.update_layout(
        template="plotly_white",
        height=80 + rows * _TRACE_HEIGHT_PX,
        margin={"l": 60, "r": 20, "t": 10, "b": 40},
    )
    return figure


def _mark(figure: go.Figure, picture: Picture) -> None:
    """What really happened as an area, the alarm as lines."""
    fact, alarm = picture.fact, picture.alarm
    if fact is not None and fact.from_ns is not None:
        ends = [t for trace in picture.traces for t in trace.times_ns[-1:]]
        to_ns = fact.to_ns or max(ends, default=fact.from_ns)
        first, last = _local([fact.from_ns, to_ns])
        figure.add_vrect(x0=first, x1=last, fillcolor="#d62728", opacity=0.12, line_width=0)
    if alarm is not None:
        (onset,) = _local([alarm.onset_ns])
        figure.add_vline(x=onset, line_dash="dot", line_color="#555")
        for _, at_ns in alarm.levels:
            (at,) = _local([at_ns])
            figure.add_vline(x=at, line_color="#d62728")


def _local(instants_ns: Iterable[int]) -> list[datetime]:
    """Instants as the district's clocks show them."""
    return [
        to_datetime(instant_ns).astimezone(SHANGHAI).replace(tzinfo=None)
        for instant_ns in instants_ns
    ]
