"""The program the launcher starts: MiniStack, in a process group of its own, that need not outlive
who started it. Run by path, so that it needs nothing but MiniStack's own imports.
"""

import argparse
import os
import queue
import select
import signal
import socketserver
import sys
import threading
from contextlib import suppress
from functools import cache, lru_cache
from hashlib import sha1
from importlib import import_module
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any, BinaryIO

from instep.local.gaps import fill_gaps

# What was read to write the patches below: another release is to be read again first.
PATCHED_RELEASE = "1.5.33"
GATHER_SECONDS = 0.1


def check_release() -> None:
    """Leave, and say so, when another MiniStack is installed than the one that was read."""
    installed = version("ministack")
    if installed != PATCHED_RELEASE:
        sys.exit(
            f"ministack {installed} is installed, but the local cloud is written against "
            f"{PATCHED_RELEASE}: run `make setup`, or read its core/lambda_runtime.py again"
        )


def send_small_answers_at_once() -> None:
    """Switch Nagle's algorithm off where MiniStack serves the Lambda Runtime API.

    It writes header and body apart, and the second waits 40 ms for the client's delayed
    acknowledgement: two thirds of a warm call (tests/workflow/test_patches.py measures it).
    """
    handler: Any = socketserver.StreamRequestHandler
    handler.disable_nagle_algorithm = True


class Output:
    """What a function writes to its pipe, kept as `lines`: taken as it comes, and to the last byte
    when asked.
    """

    def __init__(self, pipe: BinaryIO, lines: "queue.Queue[str]") -> None:
        self._pipe, self._lines = pipe, lines
        self._turn = threading.Lock()
        self._begun = b""  # a line whose end has not come
        self._ended = False
        self._poll = select.poll()
        self._poll.register(pipe, select.POLLIN)

    def pump(self) -> None:
        """Take what comes until the function has closed its end."""
        waiting = select.poll()
        waiting.register(self._pipe, select.POLLIN)
        while not self._ended:
            waiting.poll()
            self.take()
        self._pipe.close()

    def take(self) -> None:
        """Take all that has been written."""
        with self._turn:
            while not self._ended and self._poll.poll(0):
                written = os.read(self._pipe.fileno(), 1 << 16)
                self._ended = not written
                *whole, self._begun = (self._begun + written).split(b"\n")
                if self._ended and self._begun:
                    whole.append(self._begun)
                for line in whole:
                    self._keep(line.decode(errors="replace").rstrip("\r"))

    def _keep(self, line: str) -> None:
        if self._lines.full():  # the oldest goes: a full pipe would hold the function up
            with suppress(queue.Empty):
                self._lines.get_nowait()
        self._lines.put_nowait(line)


def log_what_a_call_wrote() -> None:
    """Give each call's log all that the call wrote: it had written it before it answered.

    MiniStack takes what comes within some milliseconds of the answer. On a busy machine the rest is
    logged by the next call of that function, if there is one.
    """
    workers: Any = import_module("ministack.core.lambda_runtime").ProvidedWorker

    def pump(worker: Any, pipe: BinaryIO, lines: "queue.Queue[str]") -> None:
        worker.output = Output(pipe, lines)
        worker.output.pump()

    def taken(worker: Any, **_waits: float) -> str:
        worker.output.take()
        log: str = worker._drain_stderr()
        return log

    workers._pump_output, workers._drain_stderr_bounded = pump, taken


def gather_stream_records() -> None:
    """Let a table's records gather for a moment after each batch.

    AWS gathers them for as long as the event source mapping says, a second here. MiniStack knows of
    no window: at a hundred writes a second it calls a function eighty times, and does little else.
    The first record is still brought at once.
    """
    functions: Any = import_module("ministack.services.lambda_svc")
    poll, pause = functions._poll_dynamodb_streams, threading.Event()

    def poll_and_wait() -> bool:
        found: bool = poll()
        if found:
            pause.wait(GATHER_SECONDS)
        return found

    functions._poll_dynamodb_streams = poll_and_wait


def read_conditions_once() -> None:
    """Let what a condition says be read from its text once.

    MiniStack reads it anew for every item of the partition: most of what a Query costs there, and
    nothing that a service does which finds its items by their keys.
    """
    tables: Any = import_module("ministack.services.dynamodb")
    tokens = lru_cache(tables._tokenize)
    tables._tokenize = lambda text: list(tokens(text))
    tables._condition_syntax_error = lru_cache(tables._condition_syntax_error)


def begin_scans_where_they_stopped() -> None:
    """Let a page of a Scan cost what is on it.

    MiniStack sorts and hashes the whole table for each page, and answers nobody else meanwhile: a
    second a page at 200,000 items. It is shown the partitions alone that the page can hold.
    """
    tables: Any = import_module("ministack.services.dynamodb")
    scan, asked = tables._scan, threading.local()

    class Tables(type(tables._tables)):  # type: ignore[misc]
        __slots__ = ()

        def get(self, name: str, default: Any = None) -> Any:
            return getattr(asked, "table", None) or super().get(name, default)

    def scan_some(request: dict[str, Any]) -> Any:
        table = tables._tables.get(request.get("TableName"))
        if table and not request.get("IndexName"):
            asked.table = {**table, "items": _partitions_of_a_page(tables, table, request)}
        try:
            return scan(request)
        finally:
            asked.table = None

    tables._tables.__class__, tables._scan = Tables, scan_some


def _partitions_of_a_page(tables: Any, table: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Give the partitions, in order, that hold one item more than the page has room for."""
    items, (limit, room) = table["items"], (request.get("Limit"), tables._DDB_PAGE_SIZE_BYTES)
    number, of = request.get("Segment", 0), request.get("TotalSegments") or 1
    start = tables._extract_key_val(request.get("ExclusiveStartKey", {}).get(table["pk_name"], {}))
    shown: dict[str, Any] = {}
    count = size = 0
    for key in sorted(key for key in items if key >= start and _place(key) % of == number):
        shown[key] = partition = items[key]
        if key != start:  # of the first, part may have been read
            count += len(partition)
            size += sum(map(tables._item_size_bytes, partition.values()))
        if size > room or (limit is not None and count > limit):
            break
    return shown


@cache
def _place(key: str) -> int:
    """Give the number that decides on a partition's segment, as MiniStack works it out."""
    return int.from_bytes(sha1(key.encode(), usedforsecurity=False).digest()[:4], "big")


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
        check_release()
        send_small_answers_at_once()
        log_what_a_call_wrote()
        gather_stream_records()
        read_conditions_once()
        begin_scans_where_they_stopped()
        fill_gaps()
    if options.queue_speed is not None:
        hurry_queues(options.queue_speed)
    import_module("ministack.app").main()  # reads its settings from the environment at import


if __name__ == "__main__":
    main()
