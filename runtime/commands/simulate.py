"""``equipwatch simulate``: a simulated district as files, in virtual time."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.commands.options import AsJson

if TYPE_CHECKING:
    from simulators.scenario import Scenario


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
    offline: Annotated[
        bool, typer.Option("--offline", help="Write messages.parquet instead of capture.jsonl.")
    ] = False,
    processes: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes of --offline; default: cores.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the messages, truth.jsonl and registry.csv of a simulated district."""
    import secrets
    import time

    from domain.instants import to_iso
    from domain.registry import format_registry
    from runtime.inputs import start_instant
    from runtime.output import emit
    from simulators.capture import write_capture
    from simulators.demo import demo_scenario
    from simulators.scenario import load
    from simulators.world import World

    seed = secrets.randbelow(2**31) if seed is None else seed
    start_ns = time.time_ns() if start is None else start_instant(start)
    chosen = (
        demo_scenario(seed, devices=devices, duration_s=seconds or 120.0)
        if scenario == "demo"
        else load(scenario)
    )
    if offline:
        _history(chosen, seed, start_ns, out, seconds, processes, as_json=as_json)
        return
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


def _history(
    chosen: "Scenario",
    seed: int,
    start_ns: int,
    out: Path,
    seconds: float | None,
    processes: int | None,
    *,
    as_json: bool,
) -> None:
    import time
    from dataclasses import asdict, replace
    from os import cpu_count

    from domain.equipment import Kind
    from domain.instants import to_iso
    from domain.registry import format_registry
    from runtime.output import emit
    from simulators.offline import write_history
    from simulators.world import World

    if seconds is not None:
        chosen = replace(chosen, duration_s=seconds)
    began = time.monotonic()
    history = write_history(
        chosen,
        seed,
        start_ns,
        directory=out,
        registry_csv=format_registry(World(chosen, seed, start_ns).registry()),
        processes=processes or cpu_count() or 1,
    )
    took_s = max(time.monotonic() - began, 1e-9)
    days = chosen.duration_s / 86_400.0
    emit(
        {
            "seed": seed,
            "start": to_iso(start_ns),
            **asdict(history),
            "duration_s": chosen.duration_s,
            "device_days_per_s": round(chosen.fleet.total * days / took_s, 3),
            "lift_days": round(chosen.fleet.of(Kind.LIFT) * days, 3),
            "took_s": round(took_s, 1),
            "directory": str(out),
        },
        as_json=as_json,
    )
