from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.sequence import (
    BOOTS_MAX,
    GAP_MAX,
    KEY_BYTES,
    KEYS_MAX,
    RANGES_MAX,
    Numbers,
    Sequence,
)


def missing(arrived: set[int]) -> int:
    """Numbers between the first and the last that did not arrive: the plain definition."""
    return max(arrived) - min(arrived) + 1 - len(arrived)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=80))
@settings(deadline=None, max_examples=200)
def test_numbers_agree_with_a_plain_set(sent: list[int]) -> None:
    numbers = Numbers([sent[0]], [sent[0]])
    arrived, lost = {sent[0]}, 0
    for seq in sent[1:]:
        assert numbers.holds(seq) is (seq in arrived)
        change = numbers.arrive(seq)
        assert (change is None) is (seq in arrived)
        arrived.add(seq)
        lost += change or 0
        assert lost == missing(arrived)
    assert len(numbers.starts) == len(numbers.ends) <= RANGES_MAX


@given(st.lists(st.integers(0, 40), min_size=1, max_size=80))
@settings(deadline=None, max_examples=200)
def test_every_hole_is_dated_by_the_item_that_showed_it(sent: list[int]) -> None:
    numbers = Numbers([sent[0]], [sent[0]])
    arrived = {sent[0]}
    noticed: dict[int, int] = {}
    for at_ns, seq in enumerate(sent[1:], start=1):
        numbers.arrive(seq, at_ns)
        arrived.add(seq)
        holes = set(range(min(arrived), max(arrived))) - arrived
        noticed = {n: noticed.get(n, at_ns) for n in holes}
        found = {n: at for first, last, at in numbers.holes() for n in range(first, last + 1)}
        assert found == noticed


def test_holes_below_what_is_known_are_not_named_and_stay_counted() -> None:
    sequence = Sequence()
    for seq in range(0, 4 * RANGES_MAX, 2):
        sequence.numbered("b", seq, 7)
    named = list(sequence.boots["b"].holes())
    assert len(named) == RANGES_MAX
    assert named[-1] == (4 * RANGES_MAX - 3, 4 * RANGES_MAX - 3, 7)
    assert sequence.lost == 2 * RANGES_MAX - 1


def test_what_is_no_longer_known_counts_as_new() -> None:
    sequence = Sequence()
    for seq in range(0, 4 * RANGES_MAX, 2):
        assert sequence.numbered("b", seq)
    assert sequence.lost == 2 * RANGES_MAX - 1
    assert sequence.numbered("b", 1)
    assert sequence.lost == 2 * RANGES_MAX - 2
    assert not sequence.numbered("b", 4 * RANGES_MAX - 2)


def test_an_absurd_gap_is_no_loss_and_both_sides_are_remembered() -> None:
    sequence = Sequence()
    far = GAP_MAX + 10
    assert [sequence.numbered("b", seq) for seq in (1, far, 1, far, 2)] == [
        True,
        True,
        False,
        False,
        True,
    ]
    assert sequence.lost == 0


def test_the_oldest_boot_is_forgotten_and_its_loss_stays_counted() -> None:
    sequence = Sequence()
    for boot in range(BOOTS_MAX + 1):
        sequence.numbered(str(boot), 1)
        sequence.numbered(str(boot), 3)
    assert sequence.lost == BOOTS_MAX + 1
    assert not sequence.holds("0", 1)
    assert sequence.holds("1", 1)


def test_digests_are_remembered_up_to_a_limit() -> None:
    sequence = Sequence()

    def key(n: int) -> bytes:
        return n.to_bytes(KEY_BYTES, "little")

    assert all(sequence.keyed(key(n)) for n in range(KEYS_MAX))
    assert not any(sequence.keyed(key(n)) for n in range(KEYS_MAX))
    assert sequence.keyed(key(KEYS_MAX))
    assert not sequence.keyed(key(1))
    assert sequence.keyed(key(0))
    assert len(sequence.keys) == KEYS_MAX * KEY_BYTES
