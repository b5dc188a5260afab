"""Synthesizes the app with functions bound to the items' domain; run as a program, by `deployed`.

It is the repository's own stack; what differs is the domain, and a handler of three lines each.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path
from shutil import copy

from instep.cdk.node import jsii_environment

os.environ.update(jsii_environment())  # before aws_cdk, which starts a Node as it is imported

from aws_cdk import App

from benchmarks.items_app import items_domain
from instep.cdk.config import Config
from instep.cdk.packages import ROOT, build_packages, stage_functions
from stacks.compaction_stack import CompactionStack

UNBOUND = {"acquire_lock", "fold_snapshot", "release_lock", "upload_snapshot"}


def write_functions(folder: Path) -> None:
    """Write a handler a function, and the domain beside each that asks it."""
    for name in sorted(one.parent.name for one in (ROOT / "functions").glob("*/handler.py")):
        code = folder / "functions" / name
        code.mkdir(parents=True)
        lines = [f"from instep.lambda_.handlers.{name} import handler", "", "handle = handler()"]
        if name not in UNBOUND:
            copy(items_domain.__file__, code)
            lines[1:] = ["from items_domain import DOMAIN", "", "handle = handler(DOMAIN)"]
        (code / "handler.py").write_text("\n".join([*lines, ""]))


def main(folder: Path) -> None:
    """Write the cloud assembly to CDK_OUTDIR; `folder` is for the functions."""
    write_functions(folder)
    app = App(analytics_reporting=False)
    config = Config.from_context(app.node.try_get_context)
    functions = stage_functions(folder, folder / "staged", local=True)
    CompactionStack(
        app,
        config.name,
        config=config,
        packages=replace(build_packages(config), functions=functions),
        domain=items_domain.DOMAIN,
    )
    app.synth()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
