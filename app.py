"""The CDK app: context in, template out. The same input gives the same template: synthesis makes
no AWS call and reads neither clock nor git.
"""

import os

from tools.node import jsii_environment

os.environ.update(jsii_environment())  # before aws_cdk, which starts a Node as it is imported

from aws_cdk import App

from stacks.compaction_stack import CompactionStack
from stacks.config import Config
from stacks.packages import build_packages

app = App(analytics_reporting=False)
config = Config.from_context(app.node.try_get_context)
CompactionStack(app, config.name, config=config, packages=build_packages(config))
app.synth()
