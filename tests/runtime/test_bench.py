"""``equipwatch bench ingest``: its keys, and that it counts what it sends; no times."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.bench.ingest import BenchOptions, open_bench
from runtime.bench.load import Load
from runtime.bench.meter import cpu_s, resident_mb
from runtime.bench.report import (
    Cost,
    Endurance,
    Speed,
    cost_rows,
    endurance_rows,
    latency_ms,
    report_of,
)
from runtime.bench.subjects import wait_until

OPTIONS = BenchOptions(
    seconds=1,
    rounds=1,
    duration_s=2,
    backlog_s=2,
    warm_up_s=0.5,
    single_per_s=200,
    devices=800,
    gateways=4,
)
COST_KEYS = {"cpu_us_per_message", "cpu_us_per_item", "messages_per_s"}


def cost(load: str, variant: str, cpu: float) -> Cost:
    return Cost(
        load=load,
        variant=variant,
        cpu_s=cpu,
        messages=1_000,
        items=80_000 if load == "batch" else 1_000,
        asked_per_s=3_000,
        offered_per_s=2_990 + cpu,
    )


@pytest.mark.broker
def test_a_tiny_run_counts_every_message_and_gives_the_keys(tmp_path: Path) -> None:
    said: list[str] = []
    options = replace(OPTIONS, directory=tmp_path)
    single, batch = options.loads()
    with open_bench(options, said.append) as bench:
        floor = bench.cost(single, "bare")
        drained = bench.speed(single, "ingest")
        run = bench.endurance(batch)
    assert list(tmp_path.iterdir()) == []
    assert len(said) == 3
    assert 0 < floor.messages <= single.plan(1.5, alarms=0).messages
    assert floor.items == floor.messages
    assert floor.cpu_s > 0
    assert drained.messages_per_s > 0
    plan = batch.plan(2, alarms=10)
    assert (run.messages, run.items, run.lost) == (plan.messages, plan.messages * 80, 0)
    assert len(run.latencies_ns) + run.missed >= len(plan.alarmed)
    assert min(run.latencies_ns) > 0
    report = report_of([floor], [drained], [run])
    assert set(report["single"]["bare"]) == COST_KEYS
    assert report["single"]["ratio_full"] is None
    assert set(report["latency_ms"]["batch"]) == {"p50", "p95", "p99"}
    assert report["rss_mb"] > 50
    assert report["lost"] == 0


def test_the_report_has_medians_and_ratios_of_every_load_and_variant() -> None:
    costs = [
        cost(load, variant, cpu * factor)
        for load in ("single", "batch")
        for variant, cpu in (("bare", 0.02), ("ingest", 0.03), ("full", 0.05))
        for factor in (1, 1, 5)
    ]
    report = report_of(costs, [Speed(load="batch", variant="full", messages_per_s=512.4)], [])
    assert set(report["batch"]) == {"bare", "ingest", "full", "ratio_ingest", "ratio_full"}
    assert report["batch"]["full"] == {
        "cpu_us_per_message": 50.0,
        "cpu_us_per_item": 0.62,
        "messages_per_s": 512.0,
    }
    assert (report["single"]["ratio_ingest"], report["single"]["ratio_full"]) == (1.5, 2.5)
    # 50 µs for 80 items against 20 µs for a bare single message.
    assert report["item_to_bare_message"] == 0.031
    assert report["single"]["bare"]["messages_per_s"] is None
    assert report["offered"]["single"]["offered_per_s"] == 2990.0
    assert [row["ratio"] for row in cost_rows(report)] == [None, 1.5, 2.5] * 2


def test_endurance_runs_add_up_and_the_largest_memory_counts() -> None:
    runs = [
        Endurance(
            load=load,
            messages=10,
            items=items,
            asked_per_s=1,
            offered_per_s=1,
            lost=lost,
            latencies_ns=latencies,
            missed=1,
            rss_mb=rss_mb,
            duration_s=10,
        )
        for load, items, lost, latencies, rss_mb in (
            ("single", 10, 1, [10_000_000, 30_000_000], 200.0),
            ("batch", 800, 2, [], 300.0),
        )
    ]
    report = report_of([], [], runs)
    assert (report["lost"], report["rss_mb"]) == (3, 300.0)
    assert report["latency_ms"]["single"]["p50"] == 20.0
    assert report["latency_ms"]["batch"] == {"p50": None, "p95": None, "p99": None}
    assert report["endurance"]["single"]["alarms"] == 2
    assert [row["p50 ms"] for row in endurance_rows(report)] == [20.0, None]


def test_latency_percentiles_are_those_of_the_sample() -> None:
    assert latency_ms([n * 1_000_000 for n in range(101)]) == {"p50": 50, "p95": 95, "p99": 99}


def test_a_short_run_takes_fewer_devices_so_that_each_sends_enough() -> None:
    plan = Load(name="batch", devices=20_000, items_per_s=20_000, gateways=200).plan(5, alarms=3)
    assert (plan.devices, plan.gateways, plan.items) == (10_000, 200, 100_000)


def test_the_meter_sees_this_process() -> None:
    own = [os.getpid()]
    before = cpu_s(own)
    sum(range(200_000))
    assert cpu_s(own) > before
    assert resident_mb(own) > 10


def test_waiting_in_vain_is_an_error() -> None:
    with pytest.raises(Exception, match="in vain"):
        wait_until(lambda: False, 0.05, lambda: None)
