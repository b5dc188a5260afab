"""The CDK app: context in, template out. The same input gives the same template: synthesis makes
no AWS call and reads neither clock nor git.
"""

from instep.cdk.config import Config  # first: instep.cdk brings the Node that aws_cdk starts

from aws_cdk import App  # isort: skip

from instep.binding import load_domain
from stacks.compaction_stack import CompactionStack

app = App(analytics_reporting=False)
config = Config.from_context(app.node.try_get_context, app.node.get_all_context())
CompactionStack(app, config.name, config=config, domain=load_domain())
app.synth()
