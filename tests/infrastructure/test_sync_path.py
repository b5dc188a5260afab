"""The path of a whole table reads what SyncTable answers, and leads on from every answer."""

import json
import re
from dataclasses import fields

from instep.flow.sync import Segment, Step, Then
from instep.lambda_.sync_payloads import SyncAnswer, SyncRequest
from tests.infrastructure.synthesis import Synthesized

REQUEST = SyncRequest("run", ["words"], Segment(0, 1))


def test_an_item_has_what_the_function_asks_and_is_replaced_by_its_answer(app: Synthesized) -> None:
    asked = {field.name for field in fields(SyncRequest)}
    each = app.runner["States"]["EachSegment"]
    assert {key.removesuffix(".$") for key in each["ItemSelector"]} == asked
    task = app.states()["runner", "SyncTable"]
    assert {key.removesuffix(".$") for key in task["Parameters"]} == asked
    answer = SyncAnswer(REQUEST, Step(Segment(0, 1), Then.WAIT, 5)).to_payload()
    assert asked <= answer.keys()
    for name in ("SyncTable", "MorePieces?", "WaitForRoom"):
        read = set(re.findall(r'"\$\.(\w+)', json.dumps(app.states()["runner", name])))
        assert read <= answer.keys(), name
    assert "ResultPath" not in task


def test_every_answer_leads_on(app: Synthesized) -> None:
    choice = app.states()["runner", "MorePieces?"]
    ways = {rule["StringEquals"]: rule["Next"] for rule in choice["Choices"]}
    assert ways == {Then.PIECE: "SyncTable", Then.WAIT: "WaitForRoom"}
    assert choice["Default"] == "SegmentSynced"
    assert app.states()["runner", "WaitForRoom"]["Next"] == "SyncTable"


def test_segments_run_side_by_side_and_the_end_is_green(app: Synthesized) -> None:
    each = app.runner["States"]["EachSegment"]
    assert "MaxConcurrency" not in each
    assert each["Next"] == "Succeeded"
    assert "Catch" not in each
