"""Servers for the tests of this folder."""

from collections.abc import Callable

import pytest
from devserver_api import Api, Clock

from kato_tasks.devserver.options import Options


@pytest.fixture
def make_api() -> Callable[..., Api]:
    return lambda **options: Api(Options(**options), Clock())


@pytest.fixture
def api(make_api: Callable[..., Api]) -> Api:
    return make_api()
