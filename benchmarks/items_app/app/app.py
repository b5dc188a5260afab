"""The items' app, as `instep init` writes one."""

from instep.cdk import Instep  # first: it brings the Node that aws_cdk starts

from aws_cdk import App, Stack  # isort: skip

from instep.binding import load_domain

app = App(analytics_reporting=False)
Instep(Stack(app, app.node.get_context("name")), "Instep", domain=load_domain())
app.synth()
