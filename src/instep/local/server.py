"""The program the launcher starts: MiniStack, in a process group of its own, that need not outlive
who started it. Run by path, so that it needs nothing but MiniStack's own imports.
"""

import argparse
import os
import signal
import socketserver
import sys
import threading
from importlib import import_module
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

# What was read to write the patches below: another release is to be read again first.
PATCHED_RELEASE = "1.5.33"


def send_small_answers_at_once() -> None:
    """Switch Nagle's algorithm off where MiniStack serves the Lambda Runtime API.

    It writes header and body apart, and the second waits 40 ms for the client's delayed
    acknowledgement: two thirds of a warm call (tests/workflow/test_patches.py measures it).
    """
    installed = version("ministack")
    if installed != PATCHED_RELEASE:
        sys.exit(
            f"ministack {installed} is installed, but the local cloud is written against "
            f"{PATCHED_RELEASE}: run `make setup`, or read its core/lambda_runtime.py again"
        )
    handler: Any = socketserver.StreamRequestHandler
    handler.disable_nagle_algorithm = True


def hurry_queues(speed: float) -> None:
    """Let the time of MiniStack's queues pass so much faster, as its Wait states' may: a test need
    not wait in earnest for a message to come back. SQS reads its clock as `time.time()`.
    """
    queues: Any = import_module("ministack.services.sqs")
    usual = queues.time.time
    started = usual()
    queues.time = SimpleNamespace(time=lambda: started + (usual() - started) * speed)


def die_with(lifeline: int) -> None:
    """Kill this process group once the other end of the pipe `lifeline` is closed.

    The kernel closes it however the starter ends, kill -9 included.
    """

    def watch() -> None:
        os.read(lifeline, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="lifeline").start()


def main() -> None:
    """Patch, tie to the starter when asked to, and serve until a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lifeline", type=int, help="descriptor of the starter's pipe")
    parser.add_argument("--plain", action="store_true", help="without the patches")
    parser.add_argument("--queue-speed", type=float, help="how fast the time of queues passes")
    options = parser.parse_args()
    sys.argv = sys.argv[:1]
    if options.lifeline is not None:
        die_with(options.lifeline)
    if not options.plain:
        send_small_answers_at_once()
    if options.queue_speed is not None:
        hurry_queues(options.queue_speed)
    import_module("ministack.app").main()  # reads its settings from the environment at import


if __name__ == "__main__":
    main()
