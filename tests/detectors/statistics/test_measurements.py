"""The measurements run, small, and say what they are asked; figures are in docs/detection.md."""

import csv
import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from domain.errors import UsageError
from runtime.bench import detect, injection
from runtime.bench.nab import detections, judge, load_corpus, union


def test_injected_faults_are_found_by_the_statistic_made_for_them() -> None:
    measured = injection.measure(days=0.5, series=260, learn_s=3_000, clean_s=600, seed=2)
    found = {
        (fault, name): delay.median
        for fault, names in measured.delays.items()
        for name, delay in names.items()
    }
    assert found["stuck", "stuck"] <= 3
    assert found["step 4 sd", "level_shift"] <= 12
    assert found["drift 1 sd/min", "level_shift"] <= 150
    assert found["none", "level_shift"] == np.inf


def test_the_bench_measures_what_the_contract_names() -> None:
    report = detect.run_detect(lambda _line: None, devices=20, lifts=50)
    assert report.series == 100
    assert report.samples_per_s_per_core > 0
    assert report.ratio_to_scalar > 0
    assert report.lift_rules_core_share > 0
    assert report.river
    assert (report.ratio_to_river is None) == report.river.startswith("not installed")
    assert "lift_rules_core_share" in report.as_json()


def test_recordings_are_read_and_scored(tmp_path: Path) -> None:
    start = datetime(2026, 3, 1)  # noqa: DTZ001  the recordings name no zone either
    rng = np.random.default_rng(1)
    values = rng.normal(size=900)
    values[700:] += 12
    rows = [(start + timedelta(minutes=5 * n), value) for n, value in enumerate(values)]
    (tmp_path / "made").mkdir()
    with (tmp_path / "made" / "step.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(["timestamp", "value"])
        writer.writerows((str(when), value) for when, value in rows)
    window = [f"{rows[680][0]}.000000", f"{rows[760][0]}.000000"]
    (tmp_path / "windows.json").write_text(json.dumps({"made/step.csv": [window]}))
    corpus = load_corpus(tmp_path)
    assert corpus.recordings[0].windows == ((680, 760),)
    row = judge(corpus, union(detections(corpus, 3.0)))
    assert row.events.recall == 1
    assert row.scores["standard"] > 50


def test_a_directory_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"windows\.json"):
        load_corpus(tmp_path)


def test_real_recordings_can_be_read() -> None:
    directory = os.environ.get("EQUIPWATCH_NAB")
    if not directory or not Path(directory).is_dir():
        pytest.skip("EQUIPWATCH_NAB names no directory with the benchmark's recordings")
    corpus = load_corpus(Path(directory))
    assert len(corpus.names) >= 1
    for recording, values in zip(corpus.recordings, corpus.values, strict=True):
        assert len(recording.times_s) == len(values)
        assert (np.diff(recording.times_s) > 0).all()
        assert np.isfinite(values).all()
