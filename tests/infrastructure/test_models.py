"""What a domain is embedded with: asked for by name, allowed by name, refused where it is not."""

from dataclasses import replace

import pytest
from aws_cdk import App, Stack

from instep.cdk.config import Config, ConfigRejected
from instep.cdk.models import bedrock_arns, bedrock_models, models_of
from instep.derived import DerivedDomain
from instep.domain import CollectionSpec
from receipt_domain import DOMAIN
from tests.support.stations import Stations, weather

HERE = Config.from_context({"localCloud": True}.get)
AWS = Config.from_context({"localCloud": False}.get)
TITAN, COHERE = "amazon.titan-embed-text-v2:0", "cohere.embed-english-v3"


def embedding_with(*names: str) -> DerivedDomain:
    sources = {
        f"of-{at}": Stations(spec=CollectionSpec(embedder=name)) for at, name in enumerate(names)
    }
    return replace(weather(), sources=sources)


def test_a_domain_whose_vectors_come_along_asks_for_none() -> None:
    assert models_of(DOMAIN, AWS) == []
    assert models_of(weather(), AWS) == []


def test_the_local_model_is_for_the_local_cloud() -> None:
    assert [one.kind for one in models_of(embedding_with("local"), HERE)] == ["local"]
    with pytest.raises(ConfigRejected, match="bedrock:"):
        models_of(embedding_with("local"), AWS)


def test_models_of_bedrock_are_named_each_once() -> None:
    names = (f"bedrock:{COHERE}", f"bedrock:{TITAN}", f"bedrock:{TITAN}?dimensions=512")
    domain = embedding_with(*names, "my.code:embed")
    assert bedrock_models(domain, AWS) == [TITAN, COHERE]


def test_a_model_is_allowed_by_its_name_in_the_stacks_own_region() -> None:
    stack = Stack(App(analytics_reporting=False), "Models")
    (arn,) = bedrock_arns(stack, embedding_with(f"bedrock:{TITAN}"), AWS)
    parts = stack.resolve(arn)["Fn::Join"][1]
    assert parts[-2:] == [{"Ref": "AWS::Region"}, f"::foundation-model/{TITAN}"]
    assert bedrock_arns(stack, DOMAIN, AWS) == []
