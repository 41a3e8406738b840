"""Worker processes of a backtest."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from domain.errors import DependencyError
from runtime.supervisor import die_with_parent

STOP_TIMEOUT_S = 10.0
"""How long a worker may take to end."""

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


class Pool:
    """Runs tasks in processes, or in this one when a single worker is wanted.

    Parameters
    ----------
    say
        Told how far it is.
    """

    def __init__(self, executor: Executor | None, say: Callable[[str], None]) -> None:
        self._executor = executor
        self._say = say

    def run(
        self, what: str, work: Callable[[_Task], _Result], tasks: Sequence[_Task]
    ) -> list[_Result]:
        """Results in the order of the tasks, which begin in that order.

        Raises
        ------
        DependencyError
            If a worker process dies.
        """
        if self._executor is None or len(tasks) <= 1:
            return [work(task) for task in tasks]
        futures = [self._executor.submit(work, task) for task in tasks]
        try:
            self._watch(what, futures)
            return [future.result() for future in futures]
        except BrokenProcessPool as error:
            raise DependencyError(f"a worker process of the backtest died: {error}") from error
        except BaseException:
            _end_workers()
            raise

    def _watch(self, what: str, futures: Sequence["Future[_Result]"]) -> None:
        for done, future in enumerate(as_completed(futures), start=1):
            future.result()
            self._say(f"{what}: {done} of {len(futures)} parts")


def _end_workers() -> None:
    """End what nobody waits for any more, before the files that it works on are deleted."""
    for child in multiprocessing.active_children():
        child.terminate()
        child.join(STOP_TIMEOUT_S)


@contextmanager
def pool(workers: int, say: Callable[[str], None]) -> Iterator[Pool]:
    """Give a pool of workers, which end with the block and with this process."""
    if workers <= 1:
        yield Pool(None, say)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=die_with_parent) as executor:
        yield Pool(executor, say)
