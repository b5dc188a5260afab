"""The CDK app of whoever has none of their own: one stack, made of what cdk.json's context says.

A cdk.json with `"app": "python3 -m instep.cdk.app"` beside an instep.toml is all that it takes.
"""

from instep.cdk import Instep  # first: it brings the Node that aws_cdk starts

from aws_cdk import App, Stack  # isort: skip

from instep.binding import load_domain


def main() -> None:
    """Synthesize the stack."""
    app = App(analytics_reporting=False)
    stack = Stack(app, app.node.get_context("name"))
    Instep(stack, "Instep", domain=load_domain())
    app.synth()


if __name__ == "__main__":
    main()
