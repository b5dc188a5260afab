"""A state machine's definition (Amazon States Language) as the text of a Mermaid state diagram.

`make picture` synthesizes the app and draws the README's anew; a test compares the two.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tools.local_cloud.deploy import synthesize

Machine = Mapping[str, Any]
State = Mapping[str, Any]


def mermaid(definition: Machine) -> str:
    """Return the text of a stateDiagram-v2: every state and edge, a Map as a composite state.

    An edge that handles errors carries their names, one of a choice its condition; retries are
    left out, for they lead nowhere else.
    """
    return "\n".join(["stateDiagram-v2", *_machine(definition, "    ")]) + "\n"


def _machine(machine: Machine, indent: str) -> Iterator[str]:
    yield f"{indent}[*] --> {_key(machine['StartAt'])}"
    for name, state in _in_reading_order(machine):
        yield from _state(name, state, indent)
        for target, label in _edges(state):
            yield f"{indent}{_key(name)} --> {target}{f' : {label}' if label else ''}"


def _state(name: str, state: State, indent: str) -> Iterator[str]:
    if state["Type"] == "Choice":
        yield f"{indent}state {_key(name)} <<choice>>"
    if "ItemProcessor" in state:
        yield f"{indent}state {_key(name)} {{"
        yield from _machine(state["ItemProcessor"], indent + "    ")
        yield f"{indent}}}"


def _edges(state: State) -> Iterator[tuple[str, str]]:
    for rule in state.get("Choices", []):
        yield _key(rule["Next"]), _condition(rule)
    if "Default" in state:
        yield _key(state["Default"]), "otherwise"
    if "Next" in state:
        yield _key(state["Next"]), ""
    for catcher in state.get("Catch", []):
        names = ", ".join(catcher["ErrorEquals"]).replace("States.ALL", "any other error")
        yield _key(catcher["Next"]), names
    if state.get("End") or state["Type"] in {"Succeed", "Fail"}:
        yield "[*]", ""


def _condition(rule: Mapping[str, Any]) -> str:
    if "And" in rule:
        return " and ".join(_condition(part) for part in rule["And"])
    name = rule["Variable"].removeprefix("$.")
    signs = {"NumericLessThan": "<", "NumericGreaterThan": ">"}
    for operator, sign in signs.items():
        if operator in rule:
            return f"{name} {sign} {rule[operator]}"
    if "BooleanEquals" in rule:
        return str(name) if rule["BooleanEquals"] else f"not {name}"
    raise ValueError(f"a condition this picture cannot show: {json.dumps(dict(rule))}")


def _in_reading_order(machine: Machine) -> Iterator[tuple[str, State]]:
    """Yield states as a run meets them, so that the picture does not hang on CDK's order."""
    waiting, seen = [machine["StartAt"]], set()
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        state = machine["States"][name]
        yield name, state
        waiting += [rule["Next"] for rule in state.get("Choices", [])]
        waiting += [state[key] for key in ("Next", "Default") if key in state]
        waiting += [catcher["Next"] for catcher in state.get("Catch", [])]


def _key(name: str) -> str:
    """Mermaid takes a question mark for the end of a name."""
    return name.removesuffix("?")


def redraw(document: str, definition: Machine) -> str:
    """Return a Markdown document whose one Mermaid block shows the definition."""
    picture = f"```mermaid\n{mermaid(definition)}```\n"
    drawn, blocks = re.subn(r"```mermaid\n.*?```\n", lambda _: picture, document, flags=re.DOTALL)
    if blocks != 1:
        raise ValueError(f"a picture belongs into the one Mermaid block, and there are {blocks}")
    return drawn


def definition_text(template: Mapping[str, Any], prefix: str = "") -> str:
    """Return the definition of a template's one state machine; `prefix` and an id is a function."""
    (machine,) = (
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::StepFunctions::StateMachine"
    )
    return "".join(
        piece if isinstance(piece, str) else f"{prefix}{piece['Fn::GetAtt'][0]}"
        for piece in machine["DefinitionString"]["Fn::Join"][1]
    )


def _main(readme: Path) -> None:
    with TemporaryDirectory() as folder:
        assembly = synthesize(Path(folder), {}, print)
        (template,) = assembly.glob("*.template.json")
        definition = json.loads(definition_text(json.loads(template.read_text())))
    readme.write_text(redraw(readme.read_text(), definition))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
