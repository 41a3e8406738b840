from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.ports import StateStore
from storage.state import open_state_store
from tests.support.dispatch_world import fill_registry


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    opened = open_state_store(f"sqlite:///{tmp_path / 'state.sqlite'}")
    with opened.writing() as tx:
        fill_registry(tx)
    yield opened
    opened.close()
