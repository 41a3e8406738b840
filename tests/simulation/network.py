"""A connection: in order, after a delay, until it breaks; what is on its way then is gone."""

from collections.abc import Callable
from random import Random

from domain.instants import NS_PER_S, seconds
from tests.simulation.world import World


class Connection:
    """Two directions of one connection; each keeps its order.

    Parameters
    ----------
    delay_s
        Shortest and longest delay of a packet.
    """

    def __init__(self, world: World, dice: Random, delay_s: tuple[float, float]) -> None:
        self.alive = True
        self._world = world
        self._dice = dice
        self._delay_s = delay_s
        self._arrival_ns = [0, 0]

    def up(self, action: Callable[[], None]) -> None:
        """Send something towards the broker."""
        self._send(0, action)

    def down(self, action: Callable[[], None]) -> None:
        """Send something towards the client."""
        self._send(1, action)

    def delay_s(self) -> float:
        """Delay of one packet."""
        return self._delay_s[0] if self._world.calm else self._dice.uniform(*self._delay_s)

    def _send(self, direction: int, action: Callable[[], None]) -> None:
        at_ns = self._world.now_ns + seconds(self.delay_s())
        at_ns = self._arrival_ns[direction] = max(at_ns, self._arrival_ns[direction] + 1)
        self._world.after((at_ns - self._world.now_ns) / NS_PER_S, lambda: self._arrive(action))

    def _arrive(self, action: Callable[[], None]) -> None:
        if self.alive:
            action()
