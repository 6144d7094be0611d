"""What tests of the command line ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import Desk
from tests.processes import NodeProcess


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def office(desk: Desk) -> Iterator[Desk]:
    """A desk in Ruritania, where officers o1 and o2 may sign, beside its running node; audited in the end."""
    with NodeProcess(desk.state("XR", "Ruritania", ("o1", "o2"))) as node:
        desk.node = node.url
        yield desk
