from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.ports import StateStore
from tests.support.dispatch_world import fill_registry
from tests.support.states import new_state


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    opened = new_state(tmp_path / "state.sqlite")
    with opened.writing() as tx:
        fill_registry(tx)
    yield opened
    opened.close()
