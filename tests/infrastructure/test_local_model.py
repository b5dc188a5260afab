"""The local embedder: within reach on the local cloud, refused for an account."""

import pytest

from instep.cdk.config import Config, ConfigRejected
from instep.cdk.local_model import asks_for_the_model
from instep.embedding.named import embedder_of
from receipt_domain import DOMAIN
from tests.support.stations import weather

LOCAL = {"localCloud": True}
AWS = {"localCloud": False}


def test_a_domain_without_it_asks_for_nothing() -> None:
    assert not asks_for_the_model(DOMAIN, Config.from_context(AWS.get))
    assert not asks_for_the_model(weather(), Config.from_context(AWS.get))


def test_on_an_account_a_service_is_asked_for() -> None:
    domain = weather(embedder_of("local"))
    assert asks_for_the_model(domain, Config.from_context(LOCAL.get))
    with pytest.raises(ConfigRejected, match="bedrock:"):
        asks_for_the_model(domain, Config.from_context(AWS.get))
