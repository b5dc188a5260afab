"""Each patch of MiniStack shows here what it is for, and may go when the test passes without it."""

import json
import os
import queue
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from timeit import default_timer
from typing import Any

import pytest

from instep.local import launcher, server
from instep.local.launcher import LocalCloud
from instep.local.metrics import log_lines
from instep.local.target import Target
from tests.support.cloud import HandMadeFunction, eventually

LOGS_A_LINE = "def handle(event, context):\n    print('a line')\n"
COUNTS_RECORDS = "def handle(event, context):\n    print('records', len(event['Records']))\n"
LOGS_AT_LENGTH = """
import threading
def work():
    while True: sum(range(1000))
threading.Thread(target=work, daemon=True).start()
def handle(event, context):
    print("\\n".join(f"{event['call']}.{line}" for line in range(4000)))
"""


def warm_call_seconds(state: Path) -> float:
    cloud = LocalCloud.start(state, tied=True)
    try:
        function = HandMadeFunction.deploy(Target.of(cloud), "timed", LOGS_A_LINE)
        client = function.target.client("lambda")

        def call() -> None:
            client.invoke(FunctionName="timed", Payload=b"{}")["Payload"].read()

        call()
        return statistics.median(timed(call) for _ in range(9))
    finally:
        cloud.stop()


def timed(act: Callable[[], None]) -> float:
    begun = default_timer()
    act()
    return default_timer() - begun


def test_without_the_patch_each_call_waits_for_a_delayed_acknowledgement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched = warm_call_seconds(tmp_path / "patched")
    plain = tmp_path / "plain.py"
    plain.write_text(
        f"import runpy, sys\nsys.argv.append('--plain')\n"
        f"runpy.run_path({str(launcher._SERVER)!r}, run_name='__main__')\n"
    )
    monkeypatch.setattr(launcher, "_SERVER", plain)
    assert warm_call_seconds(tmp_path / "unpatched") > patched + 0.02  # measured: 0.009 and 0.050


def test_another_release_is_refused_until_it_was_read() -> None:
    program = (
        "import runpy, importlib.metadata as m; m.version = lambda name: '9.9.9'\n"
        f"runpy.run_path({server.__file__!r}, run_name='__main__')\n"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 1
    assert "9.9.9" in done.stderr
    assert "make setup" in done.stderr


def test_a_call_s_log_holds_what_it_wrote_however_busy_the_machine(tmp_path: Path) -> None:
    cloud = LocalCloud.start(tmp_path / "state", tied=True)
    try:
        target = Target.of(cloud)
        functions = [HandMadeFunction.deploy(target, f"busy{n}", LOGS_AT_LENGTH) for n in range(3)]
        with ThreadPoolExecutor(len(functions)) as calls:
            for call in range(3):
                list(calls.map(lambda function, n=call: function.call(call=n), functions))
                for function in functions:
                    lines = log_lines(target.client("logs"), f"/aws/lambda/{function.name}")
                    written = [f"{n}.{line}" for n in range(call + 1) for line in range(4000)]
                    assert [line for line in lines if "." in line.split()[0]] == written
    finally:
        cloud.stop()


def test_writes_one_after_the_other_come_to_a_function_in_few_calls(tmp_path: Path) -> None:
    cloud = LocalCloud.start(tmp_path / "state", tied=True)
    try:
        target = Target.of(cloud)
        function = HandMadeFunction.deploy(target, "gathers", COUNTS_RECORDS)
        table = target.client("dynamodb")
        made = table.create_table(
            TableName="written",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        )
        target.client("lambda").create_event_source_mapping(
            FunctionName=function.name,
            EventSourceArn=made["TableDescription"]["LatestStreamArn"],
            StartingPosition="TRIM_HORIZON",
            BatchSize=1000,
        )

        def write() -> None:
            for number in range(100):
                table.put_item(TableName="written", Item={"id": {"S": str(number)}})

        seconds = timed(write)

        def counts() -> list[int]:
            lines = log_lines(target.client("logs"), "/aws/lambda/gathers")
            found = [int(line.split()[1]) for line in lines if line.startswith("records ")]
            return found if sum(found) == 100 else []

        calls = eventually(counts, "every record has come")
        assert len(calls) <= 2 + seconds / server.GATHER_SECONDS
    finally:
        cloud.stop()


def test_a_condition_is_read_once_for_all_the_items_it_is_held_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables: Any = import_module("ministack.services.dynamodb")
    read: list[str] = []
    for name in ("_tokenize", "_condition_syntax_error"):
        usual = getattr(tables, name)

        def reading(text: str, *slot: str, usual: Callable[..., Any] = usual) -> Any:
            read.append(text)
            return usual(text, *slot)

        monkeypatch.setattr(tables, name, reading)

    def held() -> list[bool]:
        names, values = {"#key": "key"}, {":from": {"S": "b"}, ":to": {"S": "c"}}
        items = [{"key": {"S": letter}} for letter in "abcd"]
        condition = "#key BETWEEN :from AND :to"
        return [tables._evaluate_condition(condition, item, values, names) for item in items]

    assert held() == [False, True, True, False]
    assert len(read) == 2 * 4
    server.read_conditions_once()
    assert held() == held() == [False, True, True, False]
    assert len(read) == 2 * 4 + 2
    with pytest.raises(ValueError, match="Syntax error"):
        tables._evaluate_condition("#key BETWEEN :from", {}, {}, {})


@dataclass
class ScannedTable:
    """A table of MiniStack's, in this process, and what a scan of it went through."""

    tables: Any
    went_through: list[int]

    def pages(self, **how: Any) -> list[list[str]]:
        found: list[list[str]] = []
        start: dict[str, Any] = {}
        while True:
            request = {"TableName": "scanned", **how, **start}
            answer = json.loads(self.tables._scan(request)[2])
            found.append([item["sk"]["S"] for item in answer["Items"]])
            if "LastEvaluatedKey" not in answer:
                return found
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScannedTable]:
    """Give 60 items of 40 to 80 bytes, the most in a partition of their own, in pages of 400."""
    tables: Any = import_module("ministack.services.dynamodb")
    monkeypatch.setattr(tables, "_DDB_PAGE_SIZE_BYTES", 400)
    monkeypatch.setattr(tables, "_scan", tables._scan)
    monkeypatch.setattr(tables._tables, "__class__", type(tables._tables))
    went_through: list[int] = []
    paginate = tables._paginate_evaluated_items

    def counting(items: list[Any], *limits: Any) -> Any:
        went_through.append(len(items))
        return paginate(items, *limits)

    monkeypatch.setattr(tables, "_paginate_evaluated_items", counting)
    key = {"pk": "HASH", "sk": "RANGE"}
    made = tables._create_table(
        {
            "TableName": "scanned",
            "KeySchema": [{"AttributeName": n, "KeyType": t} for n, t in key.items()],
            "AttributeDefinitions": [{"AttributeName": n, "AttributeType": "S"} for n in key],
            "BillingMode": "PAY_PER_REQUEST",
        }
    )
    assert made[0] == 200, made
    for number in range(60):
        partition = f"large{number % 2}" if number % 6 == 0 else f"p{number}"
        item = {"pk": partition, "sk": f"{number:03}", "filling": "x" * (30 + number % 40)}
        written = {name: {"S": value} for name, value in item.items()}
        assert tables._put_item({"TableName": "scanned", "Item": written})[0] == 200
    yield ScannedTable(tables, went_through)
    tables._delete_table({"TableName": "scanned"})


@pytest.mark.parametrize("limit", [{}, {"Limit": 1}, {"Limit": 4}, {"Limit": 100}])
@pytest.mark.parametrize("of", [None, 1, 3])
def test_a_page_of_a_scan_costs_what_is_on_it(
    scanned: ScannedTable, of: int | None, limit: dict[str, int]
) -> None:
    segments = [{}] if of is None else [{"Segment": n, "TotalSegments": of} for n in range(of)]
    plain = [scanned.pages(**segment, **limit) for segment in segments]
    assert sorted(sk for segment in plain for page in segment for sk in page) == [
        f"{number:03}" for number in range(60)
    ]
    scanned.went_through.clear()
    server.begin_scans_where_they_stopped()
    assert [scanned.pages(**segment, **limit) for segment in segments] == plain
    pages = [len(page) for segment in plain for page in segment]
    fewest = min(limit.get("Limit", 100), 400 // 80)
    assert max(scanned.went_through) <= max(pages) + 10 + fewest
    assert len(scanned.went_through) == len(pages)


def test_a_scan_is_refused_in_the_same_words(scanned: ScannedTable) -> None:
    wrong: list[dict[str, Any]] = [
        {"Segment": 3, "TotalSegments": 2},
        {"Segment": 0},
        {"TotalSegments": 2},
        {"TotalSegments": 0, "Segment": 0},
        {"Limit": 0},
        {"TableName": "none of the kind"},
        {"ExclusiveStartKey": {"pk": {"S": "p1"}}},
    ]
    plain = [scanned.tables._scan({"TableName": "scanned", **request}) for request in wrong]
    server.begin_scans_where_they_stopped()
    held = [scanned.tables._scan({"TableName": "scanned", **request}) for request in wrong]
    assert held == plain
    assert {status for status, *_ in held} == {400}


def test_what_is_in_the_pipe_is_taken_though_nobody_has_pumped_yet() -> None:
    reading, writing = os.pipe()
    lines: queue.Queue[str] = queue.Queue(maxsize=3)
    with os.fdopen(reading, "rb") as pipe:
        output = server.Output(pipe, lines)
        output.take()
        assert lines.empty()
        os.write(writing, b"one\r\ntwo\nthr")
        output.take()
        assert [lines.get_nowait() for _ in range(2)] == ["one", "two"]
        os.write(writing, b"ee\n4\n5\n6\nno end")
        os.close(writing)
        output.pump()
        assert pipe.closed
    assert [lines.get_nowait() for _ in range(3)] == ["5", "6", "no end"], "the oldest went"
