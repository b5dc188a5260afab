"""The CDK app: context in, template out. The same input gives the same template: synthesis makes
no AWS call and reads neither clock nor git.
"""

import os

from instep.cdk.node import jsii_environment

os.environ.update(jsii_environment())  # before aws_cdk, which starts a Node as it is imported

from aws_cdk import App

from instep.binding import load_domain
from instep.cdk.config import Config
from instep.cdk.packages import build_packages
from stacks.compaction_stack import CompactionStack

app = App(analytics_reporting=False)
config = Config.from_context(app.node.try_get_context)
CompactionStack(
    app, config.name, config=config, packages=build_packages(config), domain=load_domain()
)
app.synth()
