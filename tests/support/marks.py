"""Which tests carry a mark, read from their sources: no test has to run, or be importable."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).parents[2]
Value: TypeAlias = str | int


@cache
def marked(name: str) -> dict[str, set[Value]]:
    """Return test id -> the arguments of its marks of that name (`pytest.mark.NAME(...)`).

    An id is as pytest spells it, without parameters; a mark on a module counts for all its tests.
    """
    found: dict[str, set[Value]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        module = ast.parse(path.read_text())
        everywhere = {value for node in module.body for value in _pytestmark(node, name)}
        for node in module.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                own = {value for one in node.decorator_list for value in _values(one, name)}
                if own | everywhere:
                    found[f"{path.relative_to(ROOT).as_posix()}::{node.name}"] = own | everywhere
    return found


def _pytestmark(node: ast.stmt, name: str) -> Iterator[Value]:
    if not isinstance(node, ast.Assign) or ast.unparse(node.targets[0]) != "pytestmark":
        return
    marks = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
    for mark in marks:
        yield from _values(mark, name)


def _values(node: ast.expr, name: str) -> Iterator[Value]:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == f"pytest.mark.{name}":
        for argument in node.args:
            value = ast.literal_eval(argument)
            assert isinstance(value, str | int), ast.unparse(node)
            yield value
