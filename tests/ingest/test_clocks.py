"""Time lines: one mark an item, its lag against received time; L late, w wrong clock, . live."""

from domain.instants import seconds
from domain.readings import Quality
from ingest.clocks import Clock, judge

DAY_S = 86_400.0
START_S = 20_000 * DAY_S
"""Some day in 2024: earlier centuries are wrong clocks."""


def marks(clock: Clock, items: list[tuple[float, float]], *, boot: str = "b") -> str:
    """Judge (received_s, ts_s) items and draw their marks."""
    drawn = ""
    for seq, (received_s, ts_s) in enumerate(items):
        event_ns, flags = judge(clock, seconds(ts_s), seconds(received_s), seq, boot)
        wrong = bool(flags & Quality.CLOCK_WRONG)
        assert event_ns == seconds(received_s if wrong else ts_s)
        drawn += "w" if wrong else "L" if flags & Quality.LATE else "."
    return drawn


def every(
    step_s: float, n: int, lag_s: float, start_s: float = START_S
) -> list[tuple[float, float]]:
    return [(start_s + step_s * k, start_s + step_s * k - lag_s) for k in range(n)]


def test_small_lags_are_live_and_a_usual_lag_shifts_what_late_means() -> None:
    clock = Clock()
    assert marks(clock, every(10, 5, 100)) == "....."
    assert marks(clock, [((START_S + DAY_S), (START_S + DAY_S) - 210)]) == "."
    assert marks(clock, [((START_S + 2 * DAY_S), (START_S + 2 * DAY_S) - 240)]) == "L"


def test_a_clock_five_minutes_slow_is_late_at_first_and_then_wrong() -> None:
    assert marks(Clock(), every(10, 6, 300)) == "LLwwww"


def test_eight_hours_slow_and_ahead() -> None:
    assert marks(Clock(), every(10, 5, 8 * 3_600)) == "LLwww"
    assert marks(Clock(), every(10, 3, -8 * 3_600)) == "www"


def test_1970_is_wrong_at_once() -> None:
    assert marks(Clock(), [(20_000 * DAY_S, 5.0), (20_000 * DAY_S + 1, 6.0)]) == "ww"


def test_a_buffer_that_is_sent_fast_is_late_and_never_a_wrong_clock() -> None:
    """Ten minutes of items at 10 s arrive within six seconds, then it is live again."""
    start_s = START_S
    buffered = [(start_s + 0.1 * k, start_s - 600 + 10 * k) for k in range(60)]
    drawn = marks(Clock(), buffered)
    assert set(drawn[:48]) == {"L"}
    assert set(drawn[49:]) == {"."}


def test_a_clock_that_comes_right_is_live_again() -> None:
    clock = Clock()
    assert marks(clock, every(10, 6, 300)) == "LLwwww"
    assert marks(clock, every(10, 3, 1, start_s=START_S + 100), boot="c") == "..."


def test_a_step_back_within_one_boot_is_wrong_at_once() -> None:
    clock = Clock()
    start_s = START_S
    items = [(start_s + k, start_s + k) for k in range(3)]
    items += [(start_s + k, start_s + k - 3_600) for k in range(3, 6)]
    assert marks(clock, items) == "...www"


def test_an_old_item_of_a_buffer_is_no_step_back() -> None:
    clock = Clock()
    judge(clock, seconds(START_S), seconds(START_S), 50, "b")
    _, flags = judge(clock, seconds(START_S - 1_000), seconds(START_S + 1), 20, "b")
    assert flags == Quality.LATE


def test_the_first_row_of_a_clock_judged_wrong_says_that_times_do_not_compare() -> None:
    clock = Clock()
    flags = [
        judge(clock, seconds(t - 300), seconds(t), n, "b")[1]
        for n, t in enumerate(range(int(START_S), int(START_S) + 60, 10))
    ]
    assert [bool(flag & Quality.CLOCK_STEP) for flag in flags] == [False, False, True] + [False] * 3


def test_without_a_time_the_received_time_counts_and_nothing_is_learned() -> None:
    clock = Clock()
    assert judge(clock, None, 77, -1, "") == (77, Quality.CLOCK_WRONG)
    assert clock == Clock()


def test_late_items_of_a_wrong_clock_are_late() -> None:
    clock = Clock()
    assert marks(clock, every(10, 4, 300)) == "LLww"
    _, flags = judge(clock, seconds(START_S - 1_000), seconds(START_S + 50), 9, "b")
    assert flags == Quality.CLOCK_WRONG | Quality.LATE


def test_months_old_data_sent_at_once_is_late_and_keeps_its_time() -> None:
    recorded = [(START_S + 0.001 * k, START_S - (80 - k) * DAY_S) for k in range(80)]
    assert marks(Clock(), recorded) == "L" * 80
