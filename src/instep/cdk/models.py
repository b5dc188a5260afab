"""The models that a domain's collections are embedded with: which of them a deployment can have."""

from aws_cdk import Stack
from constructs import Construct

from instep.cdk.config import Config, ConfigRejected
from instep.domain import Domain
from instep.embedding.spelling import Spelling, spelled


def models_of(domain: Domain, config: Config) -> list[Spelling]:
    """Return the embedders that the collections name; ConfigRejected where one cannot be had.

    The small local model is linked beside the local cloud's functions (`instep.local.runtime`), and
    lies in no layer of AWS: a deployment would fail at its first text.
    """
    names = [spec.embedder for spec in domain.collections.values() if spec.embedder]
    models = [spelled(name) for name in names]
    if not config.local_cloud and any(model.kind == "local" for model in models):
        raise ConfigRejected(
            'embed = "local" is for the local cloud: on AWS name a service, such as '
            '"bedrock:amazon.titan-embed-text-v2:0", or a function of your own'
        )
    return models


def bedrock_models(domain: Domain, config: Config) -> list[str]:
    """Return the ids of the models of Amazon Bedrock among them, each once."""
    return sorted({one.target for one in models_of(domain, config) if one.kind == "bedrock"})


def bedrock_arns(scope: Construct, domain: Domain, config: Config) -> list[str]:
    """Return the ARNs of these models, in the region of the stack."""
    stack = Stack.of(scope)
    models = f"arn:{stack.partition}:bedrock:{stack.region}::foundation-model"
    return [f"{models}/{model}" for model in bedrock_models(domain, config)]
