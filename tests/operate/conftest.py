"""What several tests of the operator's year stand in."""

from collections.abc import Iterator

import pytest

from tests.world import World


@pytest.fixture(scope="module")
def world_of_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One node that its tests only ask."""
    with World(tmp_path_factory.mktemp("one"), "XR") as world:
        yield world
