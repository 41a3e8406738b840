"""Scripts of what terminals do: the injections that fit every kind."""

from collections.abc import Callable, Mapping

from domain.instants import seconds
from simulators.stage import Script, Stage, hold, pause


def device_offline(stage: Stage) -> Script:
    """Fall silent; optionally the broker publishes the last will; come back with a snapshot."""
    stage.begins()
    stage.evident()
    yield
    stage.terminal.silent = True
    will_after_s = stage.entry.number("will_after_s")
    if will_after_s >= 0:
        yield from pause(stage, will_after_s)
        stage.terminals.will(stage.device)
    yield from hold(stage)
    stage.terminal.silent = False
    stage.terminal.next_alive_ns = stage.clock.now_ns
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
    )
}
"""Script by injection name."""
