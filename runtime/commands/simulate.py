"""``equipwatch simulate``: a simulated district as files, in virtual time."""

from pathlib import Path
from typing import Annotated

import typer

from runtime.commands.options import AsJson


def simulate(
    out: Annotated[Path, typer.Option(help="Directory for capture, truth and registry.")],
    scenario: Annotated[
        str, typer.Option(help="Scenario file, a bundled name, or demo (docs/simulators.md).")
    ] = "demo",
    seed: Annotated[int | None, typer.Option(help="Seed; drawn and printed when missing.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Length; default: the scenario's, demo 120 s.")
    ] = None,
    devices: Annotated[int, typer.Option(min=10, max=20_000, help="Devices of demo.")] = 200,
    start: Annotated[
        str | None, typer.Option(help="Instant of t=0, ISO 8601; default now.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write capture.jsonl, truth.jsonl and registry.csv of a simulated district."""
    import secrets
    import time

    from domain.instants import from_iso, to_iso
    from domain.registry import format_registry
    from runtime.output import emit
    from simulators.capture import write_capture
    from simulators.demo import demo_scenario
    from simulators.scenario import load
    from simulators.world import World

    seed = secrets.randbelow(2**31) if seed is None else seed
    start_ns = time.time_ns() if start is None else from_iso(start)
    chosen = (
        demo_scenario(seed, devices=devices, duration_s=seconds or 120.0)
        if scenario == "demo"
        else load(scenario)
    )
    world = World(chosen, seed, start_ns)
    out.mkdir(parents=True, exist_ok=True)
    report = write_capture(
        world,
        capture=out / "capture.jsonl",
        truth=out / "truth.jsonl",
        registry=out / "registry.csv",
        registry_csv=format_registry(world.registry()),
        duration_s=seconds,
    )
    emit(
        {
            "seed": seed,
            "start": to_iso(start_ns),
            "messages": report.messages,
            "devices": report.devices,
            "faults": report.faults,
            "nuisances": report.nuisances,
            "duration_s": report.duration_s,
            "directory": str(out),
        },
        as_json=as_json,
    )
