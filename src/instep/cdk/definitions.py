"""The app's two state machines as a synthesized template defines them (Amazon States Language)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

WHERE = "us-east-1:123456789012"
_NAMES = {"STANDARD": "runner", "EXPRESS": "round"}


@dataclass(frozen=True)
class Definitions:
    """The text of each machine's definition: the runner's, and that of the rounds it starts."""

    runner: str
    round: str


def definitions(template: Mapping[str, Any]) -> Definitions:
    """Return both; a function, or the round, is named by its logical id in region and account
    `WHERE`, whatever version of it the definition names.
    """
    resources = template["Resources"]
    machines = {
        _NAMES[resource["Properties"]["StateMachineType"]]: _text(resource["Properties"], resources)
        for resource in resources.values()
        if resource["Type"] == "AWS::StepFunctions::StateMachine"
    }
    return Definitions(**machines)


def inner_machine(state: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the machine that a Map runs for each item; None for a state of another type."""
    return state.get("ItemProcessor")


def states_of(machine: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and state, those inside Maps too (names are unique over a definition)."""
    for name, state in machine["States"].items():
        yield name, state
        inner = inner_machine(state)
        if inner is not None:
            yield from states_of(inner)


def _text(properties: Mapping[str, Any], resources: Mapping[str, Any]) -> str:
    pieces = properties["DefinitionString"]["Fn::Join"][1]
    return "".join(
        piece if isinstance(piece, str) else _resolved(_unversioned(piece, resources))
        for piece in pieces
    )


def _unversioned(reference: Mapping[str, Any], resources: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a reference to what a version is one of."""
    name = reference["Ref"] if "Ref" in reference else reference["Fn::GetAtt"][0]
    match resources.get(name):
        case {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": function}}}:
            return {"Fn::GetAtt": [function, "Arn"]}
        case {"Type": "AWS::StepFunctions::StateMachineVersion", "Properties": properties}:
            machine: Mapping[str, Any] = properties["StateMachineArn"]
            return machine
    return reference


def _resolved(reference: Mapping[str, Any]) -> str:
    match reference:
        case {"Fn::GetAtt": [function, "Arn"]}:
            return f"arn:aws:lambda:{WHERE}:function:{function}"
        case {"Ref": "AWS::Partition"}:
            return "aws"
        case {"Ref": machine}:
            return f"arn:aws:states:{WHERE}:stateMachine:{machine}"
    raise ValueError(f"a definition refers to what no machine of ours needs: {reference}")
