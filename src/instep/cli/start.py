"""Where the command `instep` starts, also where only the reader is installed."""

import sys
from importlib import import_module

from instep.cli.extras import extra_of


def main() -> None:
    """Run the command line, or say what to install for it."""
    try:
        run = import_module("instep.cli.app").main
    except ModuleNotFoundError as error:
        advice = extra_of(error)
        if advice is None:
            raise
        sys.exit(advice)
    run()
