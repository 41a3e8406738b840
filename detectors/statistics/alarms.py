"""What the statistics tell: an alarm with its explanation."""

from dataclasses import dataclass

from domain.incidents import IncidentKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One statistic of one series went over its limit, or came back.

    Parameters
    ----------
    device
        Slot of the device in its kind.
    channel
        Index of the channel among those given to the engine; -1 for the device as a whole.
    event_ns
        Event time of the sample that decided.
    ended
        Whether this ends an alarm that was raised before.
    score, limit
        The statistic, in its own units, and what it had to exceed.
    once_in_days
        So rarely does one series of this kind reach the score by chance, in days.
    value, usual, spread
        The sample, and location and scale of the series before it; NaN for device alarms.
    contributions
        (channel, share) of a device alarm, largest first.
    nearest_ns
        Event time at which the most similar past stretch ended, for ``novelty``.
    corroborated_by
        Other statistics whose alarms are open on the same series.
    """

    statistic: str
    incident: IncidentKind
    device: int
    channel: int
    event_ns: int
    ended: bool
    score: float
    limit: float
    once_in_days: float
    value: float
    usual: float
    spread: float
    contributions: tuple[tuple[int, float], ...] = ()
    nearest_ns: int | None = None
    corroborated_by: tuple[str, ...] = ()


Found = tuple[int, Alarm]
"""Row or cell of a block, and an alarm there."""
