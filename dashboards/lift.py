"""One lift: the signals that decide whether somebody is trapped, on one time axis."""

from collections.abc import Mapping

from grafana_foundation_sdk.builders.dashboard import Dashboard, QueryVariable

from dashboards import panels, queries
from dashboards.queries import InfluxQuery, datasource
from domain.channels import CHANNELS, COLUMNS
from domain.equipment import Kind

UID = "equipwatch-lift"

_YES_NO = {0: ("no", "否"), 1: ("yes", "是")}
_STATES = (
    "service_mode",
    "car_status",
    "door_zone",
    "door_closed",
    "passenger_present",
    "mains_power",
)
_NUMBERS = (("speed_mps", "velocityms"), ("load_kg", "masskg"), ("cabin_temperature_c", "celsius"))


def _names(channel: str) -> tuple[str, Mapping[int, tuple[str, str]]]:
    entry = CHANNELS[Kind.LIFT][COLUMNS[Kind.LIFT][channel]]
    return f"{entry.en.capitalize()} {entry.zh}", entry.codes or _YES_NO


def dashboard() -> Dashboard:
    """Lift dashboard with the lift as a variable."""
    board = (
        Dashboard("Lift 电梯")
        .uid(UID)
        .tags(["equipwatch"])
        .timezone("Asia/Shanghai")
        .refresh("5s")
        .time("now-30m", "now")
        .with_variable(
            QueryVariable(queries.EQUIPMENT_VARIABLE)
            .label("Lift 电梯")
            .datasource(datasource())
            .query(queries.equipment_ids(Kind.LIFT))
        )
    )
    for channel in _STATES:
        title, words = _names(channel)
        target = InfluxQuery(queries.one_device(Kind.LIFT, channel), alias=channel)
        board.with_panel(panels.states(title, f"Channel {channel}", words, target))
    for channel, unit in _NUMBERS:
        title, _ = _names(channel)
        target = InfluxQuery(queries.one_device(Kind.LIFT, channel), alias=channel)
        board.with_panel(panels.series(title, f"Channel {channel}", unit, target))
    codes = InfluxQuery(queries.one_device_codes(Kind.LIFT), result_format="table")
    return board.with_panel(
        panels.rows("Codes 代码", "Fault, event and alarm codes, newest first", codes)
    )
