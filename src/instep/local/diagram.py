"""A state machine's definition (Amazon States Language) as the text of a Mermaid state diagram.

`make picture` synthesizes the app and draws the README's anew, the runner and the round; a test
compares the two.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from instep.cdk.definitions import definitions, inner_machine
from instep.local.deploy import synthesize

Machine = Mapping[str, Any]
State = Mapping[str, Any]


def mermaid(definition: Machine, drawn: Sequence[str] = ()) -> str:
    """Return the text of a stateDiagram-v2: every state and edge, a Map as a composite state,
    which is left closed if the `drawn` diagrams show the very same.

    An edge that handles errors carries their names, one of a choice its condition; retries are
    left out, for they lead nowhere else.
    """
    return "\n".join(["stateDiagram-v2", *_machine(definition, "    ", drawn)]) + "\n"


def _machine(machine: Machine, indent: str, drawn: Sequence[str]) -> Iterator[str]:
    yield f"{indent}[*] --> {_key(machine['StartAt'])}"
    for name, state in _in_reading_order(machine):
        yield from _state(name, state, indent, drawn)
        for target, label in _edges(state):
            yield f"{indent}{_key(name)} --> {target}{f' : {label}' if label else ''}"


def _state(name: str, state: State, indent: str, drawn: Sequence[str]) -> Iterator[str]:
    if state["Type"] == "Choice":
        yield f"{indent}state {_key(name)} <<choice>>"
    inner = inner_machine(state)
    if inner is not None:
        inside = _machine(inner, indent + "    ", drawn)
        composite = [f"{indent}state {_key(name)} {{", *inside, f"{indent}}}"]
        if not any("\n".join(composite) in other for other in drawn):
            yield from composite


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
    if "StringEquals" in rule:
        return f"{name} is {rule['StringEquals']}"
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


def redraw(document: str, runner: Machine, round_: Machine) -> str:
    """Return a Markdown document whose two state diagrams show the runner and its round."""
    shown = mermaid(round_)
    pictures = [f"```mermaid\n{text}```\n" for text in (mermaid(runner, [shown]), shown)]
    texts = re.split(r"```mermaid\nstateDiagram.*?```\n", document, flags=re.DOTALL)
    if len(texts) != len(pictures) + 1:
        found = len(texts) - 1
        raise ValueError(f"the pictures belong into two state diagrams, and there are {found}")
    return "".join(text + drawn for text, drawn in zip(texts, [*pictures, ""], strict=True))


def _main(readme: Path) -> None:
    with TemporaryDirectory() as folder:
        assembly = synthesize(Path(folder), {}, print)
        (template,) = assembly.glob("*.template.json")
        found = definitions(json.loads(template.read_text()))
    runner, round_ = json.loads(found.runner), json.loads(found.round)
    readme.write_text(redraw(readme.read_text(), runner, round_))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
