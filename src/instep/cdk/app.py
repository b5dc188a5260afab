"""The CDK app of whoever has none of their own: one stack, made of what cdk.json's context says.

A cdk.json with `"app": "python3 -m instep.cdk.app"` beside an instep.toml is all that it takes.
"""

from instep.cdk import Instep  # first: it brings the Node that aws_cdk starts

from aws_cdk import App, Stack  # isort: skip

from instep.binding import load_domain
from instep.cdk.config import Config


def main() -> None:
    """Synthesize the stack."""
    app = App(analytics_reporting=False)
    config = Config.from_context(app.node.try_get_context, app.node.get_all_context())
    stack = Stack(app, config.name, termination_protection=config.retain_data)
    Instep(stack, "Instep", domain=load_domain(), config=config)
    app.synth()


if __name__ == "__main__":
    main()
