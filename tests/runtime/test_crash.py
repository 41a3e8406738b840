"""kill -9 anywhere: nothing is lost, nothing is doubled, no incident is missed or raised twice."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from domain.incidents import Incident
from ingest.journal import JournalReader
from runtime.offline import all_incidents
from runtime.pipeline import CONSUMER, Pipeline
from runtime.selftest.crash import CrashOptions, run_crash
from runtime.site import Site
from runtime.snapshots import SnapshotDirectory
from runtime.wiring import using_state
from storage.memory import MemoryStore
from tests.support import brokers
from tests.support.states import new_state

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]


def story(incidents: Sequence[Incident]) -> list[tuple[object, ...]]:
    return sorted(
        (i.equipment_id, i.kind.value, i.id, i.opened_at_ns, i.detected_at_ns, i.levels)
        for i in incidents
    )


def undisturbed(site: Site, directory: Path) -> tuple[Sequence[Incident], int]:
    """Incidents and rows that the same journal gives when nothing is killed."""
    with using_state(site.root) as former, former.reading() as tx:
        fleet = tx.registry.fleet()
    state = new_state(directory / "undisturbed.sqlite")
    telemetry = MemoryStore()
    reader = JournalReader(site.journal)
    try:
        with state.writing() as writing:
            writing.registry.put([e for members in fleet.devices.values() for e in members])
        pipeline = Pipeline(reader=reader, telemetry=telemetry, state=state)
        while pipeline.step():
            pass
        pipeline.finish()
        return all_incidents(state), telemetry.count()
    finally:
        reader.close()
        state.close()


@pytest.mark.parametrize("broker", brokers.BROKERS)
def test_killing_the_service_loses_doubles_and_misses_nothing(broker: str, tmp_path: Path) -> None:
    if reason := brokers.missing(broker):
        pytest.skip(reason)
    # Four kills are one round of all victims: ingest, core, both, and all with the supervisor.
    options = CrashOptions(
        kills=4,
        messages=4_000,
        rate_per_s=600,
        devices=40,
        broker=broker,
        directory=tmp_path / "work",
    )
    report = run_crash(options, print)
    # How fast it catches up says something about the machine, too.
    assert [promise for promise in report["broken"] if "within" not in promise] == []
    assert report["kills"] == 4
    assert report["in_flight_min"] > 0
    assert report["incidents_expected"] > 10
    site = Site(tmp_path / "work" / "own")
    with using_state(site.root) as state:
        found = all_incidents(state)
        with state.reading() as tx:
            recorded = tx.offsets.get(CONSUMER)
    # A stop in good order leaves a snapshot at the very end, so that nothing is replayed.
    newest = SnapshotDirectory(site.snapshots).newest(recorded)
    assert newest is not None
    assert newest.position == recorded
    again, rows = undisturbed(site, tmp_path)
    assert rows == report["stored_items"] == report["accepted_items"]
    assert story(found) == story(again)
