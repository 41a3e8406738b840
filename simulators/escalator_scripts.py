"""Scripts of escalators: stops with and without a fault, and handrails that lag."""

from collections.abc import Callable, Mapping

from domain.readings import Stream
from simulators.escalator import SIDES, Escalators
from simulators.stage import Script, Stage, hold, pause

EscalatorScript = Callable[[Stage, Escalators], Script]

BETWEEN_SLIPS_S = 30.0
"""A wobbling handrail keeps its speed so long between two slips."""


def escalator_fault(stage: Stage, escalators: Escalators) -> Script:
    """Stop with a fault code until somebody resets it."""
    code = stage.entry.text("code")
    escalators.running[stage.slot] = False
    stage.begins()
    stage.evident()
    stage.code(Stream.FAULT, code, active=True)
    yield from hold(stage)
    stage.code(Stream.FAULT, code, active=False)
    escalators.running[stage.slot] = True
    stage.ends()


def handrail_speed(stage: Stage, escalators: Escalators) -> Script:
    """Let one handrail run at another speed than the steps."""
    side = SIDES[stage.entry.text("side")]
    escalators.deviation[stage.slot, side] = stage.entry.number("deviation")
    stage.begins()
    stage.evident()
    yield from hold(stage)
    escalators.deviation[stage.slot, side] = 0.0
    stage.ends()


def escalator_stopped(stage: Stage, escalators: Escalators) -> Script:
    """Stop by the key: out of service, no fault."""
    escalators.running[stage.slot] = False
    escalators.service_mode[stage.slot] = 0
    stage.begins()
    yield from hold(stage)
    escalators.running[stage.slot] = True
    escalators.service_mode[stage.slot] = 1
    stage.ends()


def handrail_wobble(stage: Stage, escalators: Escalators) -> Script:
    """Let a handrail slip for a few seconds now and then."""
    stage.begins()
    while not stage.over:
        escalators.deviation[stage.slot, 0] = stage.entry.number("deviation")
        yield from pause(stage, stage.entry.number("slip_s"))
        escalators.deviation[stage.slot, 0] = 0.0
        yield from pause(stage, BETWEEN_SLIPS_S)
    stage.ends()


ESCALATOR_SCRIPTS: Mapping[str, EscalatorScript] = {
    script.__name__: script
    for script in (escalator_fault, handrail_speed, escalator_stopped, handrail_wobble)
}
"""Script by injection name."""
