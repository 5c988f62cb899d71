from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_jwt_revoke import Authority

from .provider import Provider

SHOP = "https://id.example/realms/shop"


@pytest.fixture
def make_provider() -> Iterator[Callable[..., Provider]]:
    made: list[Provider] = []

    def make(name: str = SHOP, *key: Any) -> Provider:
        made.append(Provider(name, *key))
        return made[-1]

    yield make
    for provider in made:
        provider.stop()


@pytest.fixture
def provider(make_provider: Callable[..., Provider]) -> Provider:
    return make_provider()


@pytest.fixture
def make_door(make_authority: Callable[..., Authority]) -> Callable[..., Authority]:
    """An authority that accepts the tokens of some providers."""

    def make(
        url: str, *providers: Provider, clock: object = None, leeway: float = 0, **settings: Any
    ) -> Authority:
        issuers = {one.name: one.settings(**settings) for one in providers}
        return make_authority(url, clock=clock, leeway=leeway, issuers=issuers)

    return make
