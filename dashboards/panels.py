"""House defaults of panels: one function a panel type, so that every dashboard looks the same."""

from collections.abc import Mapping

from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.common import VizLegendOptions
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import ValueMap, ValueMappingResult

from dashboards.queries import InfluxQuery, datasource

HEIGHT = 8
HALF = 12
WHOLE = 24


def _legend() -> VizLegendOptions:
    return (
        VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(show_legend=True)
    )


def series(title: str, description: str, unit: str, *targets: InfluxQuery) -> timeseries.Panel:
    """Lines over time; a gap in the data stays a gap, because unknown is not normal."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(datasource())
        .unit(unit)
        .height(HEIGHT)
        .span(HALF)
        .line_width(1)
        .span_nulls(False)
        .legend(_legend())
    )
    for target in targets:
        panel.with_target(target)
    return panel


def number(title: str, description: str, *targets: InfluxQuery) -> stat.Panel:
    """One number a target: the newest value."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(datasource())
        .height(4)
        .span(HALF)
        .no_value("unknown")
    )
    for target in targets:
        panel.with_target(target)
    return panel


def states(
    title: str, description: str, words: Mapping[int, tuple[str, str]], target: InfluxQuery
) -> statetimeline.Panel:
    """States over time with their words."""
    mapping = ValueMap(
        options={
            str(value): ValueMappingResult(text=f"{english} {chinese}", index=index)
            for index, (value, (english, chinese)) in enumerate(words.items())
        }
    )
    return (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(datasource())
        .height(4)
        .span(HALF)
        .mappings([mapping])
        .with_target(target)
    )


def rows(title: str, description: str, target: InfluxQuery) -> table.Panel:
    """Rows as a table."""
    return (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(datasource())
        .height(HEIGHT)
        .span(WHOLE)
        .with_target(target)
    )
