from pathlib import Path

from runtime.snapshots import KEPT_SNAPSHOTS, Snapshot, SnapshotDirectory


def snapshot(position: int) -> Snapshot:
    return Snapshot(
        position=position,
        decoder=b"d%d" % position,
        bank=b"b",
        ledger=b"l",
        counters={"items": 1},
    )


def test_the_newest_snapshot_within_reach_is_given(tmp_path: Path) -> None:
    directory = SnapshotDirectory(tmp_path / "snapshots")
    assert directory.newest(10) is None
    assert directory.oldest_position() == 0
    for position in (3, 12, 7):
        directory.save(snapshot(position))
    assert directory.newest(11) == snapshot(7)
    assert directory.newest(12) == snapshot(12)
    assert directory.newest(2) is None
    assert directory.oldest_position() == 3


def test_only_some_snapshots_are_kept(tmp_path: Path) -> None:
    directory = SnapshotDirectory(tmp_path)
    for position in range(10):
        directory.save(snapshot(position))
    assert len(list(tmp_path.iterdir())) == KEPT_SNAPSHOTS
    assert directory.oldest_position() == 10 - KEPT_SNAPSHOTS


def test_a_torn_snapshot_is_passed_over(tmp_path: Path) -> None:
    directory = SnapshotDirectory(tmp_path)
    directory.save(snapshot(1))
    directory.save(snapshot(2))
    torn = tmp_path / f"{2:020d}.snapshot"
    torn.write_bytes(torn.read_bytes()[:-1])
    assert directory.newest(5) == snapshot(1)
