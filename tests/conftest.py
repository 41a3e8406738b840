import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first, so that no worker is left alone with one at the end.

    A test that names a time limit of its own is long.
    """
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)
