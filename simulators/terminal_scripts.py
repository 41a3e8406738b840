"""Scripts of what terminals do: the injections that fit every kind."""

from collections.abc import Callable, Mapping

from domain.equipment import Kind
from domain.instants import seconds
from simulators.stage import Script, Stage, hold, pause


def device_offline(stage: Stage) -> Script:
    """Fall silent; optionally the broker publishes the last will; come back with a snapshot."""
    stage.begins()
    stage.evident()
    yield None
    stage.terminal.silent = True
    will_after_s = stage.entry.number("will_after_s")
    if will_after_s >= 0:
        yield from pause(stage, will_after_s)
        stage.terminals.will(stage.device)
    yield from hold(stage)
    stage.terminal.silent = False
    stage.terminals.beat_at(stage.device, stage.clock.now_ns)
    stage.resend(stage.slot)
    stage.ends()


def terminal_reboot(stage: Stage) -> Script:
    """Restart: a short silence, then another boot with another sequence."""
    stage.begins()
    stage.terminal.silent = True
    yield from pause(stage, stage.entry.number("off_s"))
    stage.terminal.silent = False
    stage.terminals.restart(stage.device)
    stage.resend(stage.slot)
    stage.ends()


def out_of_order(stage: Stage) -> Script:
    """Delay some messages so that later ones overtake them."""
    stage.begins()
    disturbance = stage.terminal.disturbance
    disturbance.delay_share = stage.entry.number("share")
    disturbance.delay_s = stage.entry.number("delay_s")
    yield from hold(stage)
    disturbance.delay_share = 0.0
    stage.ends()


def duplicates(stage: Stage) -> Script:
    """Deliver some messages twice."""
    stage.begins()
    disturbance = stage.terminal.disturbance
    disturbance.repeat_share = stage.entry.number("share")
    disturbance.repeat_s = stage.entry.number("delay_s")
    yield from hold(stage)
    disturbance.repeat_share = 0.0
    stage.ends()


def retained_message(stage: Stage) -> Script:
    """Deliver an old message once more, as a broker does with a retained one."""
    stage.begins()
    stage.terminal.keep_next = True
    yield from hold(stage)
    stage.terminals.send_kept(stage.device)
    stage.ends()


def clock_wrong(stage: Stage) -> Script:
    """Tell another time than it is."""
    stage.begins()
    offset_ns = seconds(stage.entry.number("offset_s"))
    if stage.entry.flag("epoch"):
        offset_ns = -stage.clock.now_ns
    stage.terminal.clock_offset_ns = offset_ns
    yield from hold(stage)
    stage.terminal.clock_offset_ns = 0
    stage.ends()


def sentinel_values(stage: Stage) -> Script:
    """Send sentinels on the channels of a broken sensor."""
    stage.begins()
    stage.terminal.disturbance.sentinels = True
    yield from hold(stage)
    stage.terminal.disturbance.sentinels = False
    stage.ends()


def sensor_stuck(stage: Stage) -> Script:
    """Repeat the last value of a channel."""
    kept: list[float] = []

    def sense(value: float) -> float:
        if not kept:
            kept.append(value)
        return kept[0]

    stage.evident()
    yield from _with_sensor(stage, sense)


def sensor_drift(stage: Stage) -> Script:
    """Let a channel wander off at a steady rate."""
    share_per_s = stage.entry.number("rate_per_h") / 3600.0
    start_s, span = stage.clock.now_s, _span(stage)

    def sense(value: float) -> float:
        share = share_per_s * (stage.clock.now_s - start_s)
        if abs(share) > EVIDENT_DRIFT:
            stage.evident()
        return round(value + share * span, 4)

    yield from _with_sensor(stage, sense)


def sensor_quantised(stage: Stage) -> Script:
    """Resolve a channel in coarse steps only."""
    step = stage.entry.number("step") * _span(stage)
    yield from _with_sensor(stage, lambda value: round(round(value / step) * step, 6))


def _with_sensor(stage: Stage, sense: Callable[[float], float]) -> Script:
    sensors, channel = stage.terminal.disturbance.sensors, _channel(stage)
    stage.begins()
    sensors[channel] = sense
    yield from hold(stage)
    sensors.pop(channel, None)
    stage.ends()


def _channel(stage: Stage) -> str:
    return stage.entry.text("channel") or MAIN_CHANNEL[stage.terminal.kind]


def _span(stage: Stage) -> float:
    return SPANS.get(_channel(stage), 1.0)


EVIDENT_DRIFT = 0.02
"""A sensor that is off by so much of its span is evidently wrong."""

MAIN_CHANNEL: Mapping[Kind, str] = {
    Kind.LIFT: "load_kg",
    Kind.ESCALATOR: "handrail_speed_left_mps",
    Kind.BOILER: "steam_pressure_mpa",
    Kind.CRANE: "hook_load_t",
    Kind.VESSEL: "internal_pressure_mpa",
}
"""Channel whose sensor fails when a scenario names none."""

SPANS: Mapping[str, float] = {
    "load_kg": 1_000.0,
    "speed_mps": 2.5,
    "cabin_temperature_c": 40.0,
    "handrail_speed_left_mps": 0.5,
    "handrail_speed_right_mps": 0.5,
    "steam_pressure_mpa": 1.6,
    "water_level_mm": 200.0,
    "steam_temperature_c": 200.0,
    "flue_gas_temperature_c": 200.0,
    "feed_water_temperature_c": 100.0,
    "hook_load_t": 10.0,
    "hook_height_m": 40.0,
    "wind_speed_mps": 30.0,
    "sway_deg": 10.0,
    "internal_pressure_mpa": 1.0,
    "temperature_c": 200.0,
}
"""Span of a channel, to which rates of drift and steps refer; 1 in its unit for any other."""

TERMINAL_SCRIPTS: Mapping[str, Callable[[Stage], Script]] = {
    script.__name__: script
    for script in (
        device_offline,
        terminal_reboot,
        out_of_order,
        duplicates,
        retained_message,
        clock_wrong,
        sentinel_values,
        sensor_stuck,
        sensor_drift,
        sensor_quantised,
    )
}
"""Script by injection name."""
