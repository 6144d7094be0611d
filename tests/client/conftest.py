"""A real node behind a real web server, and a client of either flavour that asks it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from exchange.client import Client
from tests.client import FLAVOURS, opened
from tests.served import served
from tests.stock import Stock, stocked
from tests.world import WorldNode


@dataclass(frozen=True)
class Served:
    """XR's node of a stock, and where it is served."""

    stock: Stock
    url: str

    @property
    def node(self) -> WorldNode:
        return self.stock.node


@pytest.fixture(scope="session")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with stocked(tmp_path_factory.mktemp("stock")) as stock, served(stock.node) as url:
        yield Served(stock, url)


@pytest.fixture
def node(there: Served) -> WorldNode:
    return there.node


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(there: Served, flavour: str) -> Iterator[Client]:
    with opened(flavour, there.url) as client:
        yield client
