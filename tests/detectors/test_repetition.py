"""A lift that repeats itself every second is judged as one that tells of changes alone."""

from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.story import PARKED, Story, lift

Change = tuple[int, Mapping[str, float]]
"""Seconds since the change before, and what is another value from then on."""

CHANGES: Mapping[str, st.SearchStrategy[float]] = {
    "car_status": st.sampled_from([0, 1]),
    "door_zone": st.sampled_from([0, 1]),
    "door_closed": st.sampled_from([0, 1]),
    "passenger_present": st.sampled_from([0, 1]),
    "mains_power": st.sampled_from([1, 1, 0]),
    "service_mode": st.sampled_from([1, 1, 2]),
}

SNAPSHOT = {"car_status", "door_zone", "door_closed", "passenger_present"}
"""Who sends all of these at once is taken for a terminal that samples."""

STORIES = st.lists(
    st.tuples(
        st.sampled_from([1, 3, 7, 26, 60]),
        st.fixed_dictionaries({}, optional=dict(CHANGES)).filter(
            lambda changed: not changed.keys() >= SNAPSHOT
        ),
    ),
    min_size=1,
    max_size=8,
)


def tell(changes: Sequence[Change], *, repeats: bool) -> Story:
    """The story of one lift, in changes with signs of life, or in whole rows every second."""
    story, now_s = lift(), 0
    valid = dict(PARKED)
    for pause_s, changed in [*changes, (160, {})]:
        for second in range(now_s + 1, now_s + pause_s):
            story = story.at(second, **valid) if repeats else story.alive(second)
        now_s += pause_s
        valid |= changed
        story = story.at(now_s, **(valid if repeats else changed))
    return story.until(now_s + 1)


@settings(max_examples=12, deadline=None)
@given(STORIES)
def test_repeating_what_is_known_changes_no_finding(changes: list[Change]) -> None:
    told, repeated = tell(changes, repeats=False), tell(changes, repeats=True)
    assert repeated.levels() == told.levels()
    assert repeated.ended() == told.ended()


def test_an_entrapment_is_found_however_it_is_told() -> None:
    ride: list[Change] = [
        (5, {"door_closed": 0}),
        (3, {"passenger_present": 1}),
        (4, {"door_closed": 1}),
        (2, {"car_status": 1, "door_zone": 0}),
        (20, {"car_status": 0}),
    ]
    for repeats in (False, True):
        assert tell(ride, repeats=repeats).levels("entrapment_off_level") == [
            ("entrapment_off_level", "suspected", 34, 64),
            ("entrapment_off_level", "confirmed", 34, 154),
        ]
