"""Has moto's interpreter of state machines ask ours: for functions, for rounds, and to wait.

It leans on nine things inside moto 5.2 (moto/stepfunctions/parser): a Lambda task calls
`lambda_eval_utils._invoke_lambda_function(parameters, region, state_credentials)` in the thread of
its `_eval_execution(env)`, and reads `Payload` and `FunctionError` of the answer; a task that
raises TimeoutError is a States.Timeout; a task of an AWS service leaves its answer on the stack in
`_eval_service_task`, and moto has no StartSyncExecution to call there; a Wait waits in
`_wait_interval`; a retrier waits by `retrier_decl.time.sleep`, which would make a busy lease take
seconds; it counts under `EvalComponent.heap_key`, made at first use, so that two items of a Map
that fail at once may make two and one of them is granted a try too many; a definition's program and
a path's, which `AmazonStateLanguageParser.parse` and `json_path.parse` would read anew at every
start and state, are evaluated, never changed; and
`StepFunctionsParserBackend._validate_definition` says yes by returning.
"""

from functools import cache
from threading import local
from types import SimpleNamespace
from typing import Any

import pytest
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.state_task_lambda import (
    StateTaskLambda,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import (
    WaitFunction,
)
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils import json_path
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from tests.support.interpreter import Interpreter, Place

_PARSED = cache(AmazonStateLanguageParser.parse)
_PATH = cache(json_path.parse)  # type: ignore[attr-defined]
_JUDGED = cache(StepFunctionsParserBackend._validate_definition)


def install(interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer moto's tasks and waits, and count its retries rightly."""
    here = local()
    evaluate = StateTaskLambda._eval_execution

    def place_of(env: Any) -> Place:
        context = env.states.context_object.context_object_data
        machine = interpreter.machine_of(context["StateMachine"]["Name"])
        return Place(machine, context["Execution"]["Name"], context["State"]["Name"])

    def evaluate_somewhere(task: Any, env: Any) -> None:
        here.place = place_of(env)
        evaluate(task, env)

    def invoke(parameters: Any, **_: Any) -> dict[str, Any]:
        return interpreter.call(here.place, parameters)

    def start_sync(_: Any, *, env: Any, normalised_parameters: Any, **__: Any) -> None:
        env.stack.append(interpreter.start_round(place_of(env), normalised_parameters))

    def wait(_: Any, env: Any, wait_seconds: int) -> None:
        interpreter.waited(place_of(env), wait_seconds)

    service = state_task_service_aws_sdk.StateTaskServiceAwsSdk
    monkeypatch.setattr(StateTaskLambda, "_eval_execution", evaluate_somewhere)
    monkeypatch.setattr(lambda_eval_utils, "_invoke_lambda_function", invoke)
    monkeypatch.setattr(service, "_eval_service_task", start_sync)
    monkeypatch.setattr(WaitFunction, "_wait_interval", wait)
    monkeypatch.setattr(retrier_decl, "time", SimpleNamespace(sleep=interpreter.waits.append))
    monkeypatch.setattr(EvalComponent, "heap_key", property(lambda one: str(id(one))))
    monkeypatch.setattr(AmazonStateLanguageParser, "parse", _PARSED)
    monkeypatch.setattr(json_path, "parse", _PATH)
    monkeypatch.setattr(StepFunctionsParserBackend, "_validate_definition", _JUDGED)
