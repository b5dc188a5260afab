"""CloudWatch's metric math as far as our alarms use it: arithmetic, `>`, IF, SUM and MAX of arrays.

A value may be missing (None): what is computed from it is missing too, but an array passes over it,
as CloudWatch's does. The expression's grammar is a part of Python's.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

Value: TypeAlias = float | None

_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARED: Final[Mapping[type[ast.cmpop], Callable[[float, float], bool]]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
}


class ExpressionUnknown(Exception):
    """The expression has a part that is not implemented here; the message shows it."""


def evaluate(expression: str, values: Mapping[str, Value]) -> Value:
    """Return the value of an expression over `values` by id; ExpressionUnknown, or KeyError for an
    id without one.
    """
    return _value(ast.parse(expression, mode="eval").body, values)


def _value(node: ast.expr, values: Mapping[str, Value]) -> Value:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return values[name]
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _ARITHMETIC:
            return _both(_ARITHMETIC[type(sign)], _value(left, values), _value(right, values))
        case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _COMPARED:
            return _both(_COMPARED[type(sign)], _value(left, values), _value(right, values))
        case ast.Call(func=ast.Name(id="IF"), args=[condition, then, otherwise]):
            holds = _value(condition, values)
            return None if holds is None else _value(then if holds else otherwise, values)
        case ast.Call(func=ast.Name(id="SUM" | "MAX" as name), args=[ast.List(elts=parts)]):
            found = [each for part in parts if (each := _value(part, values)) is not None]
            return (sum if name == "SUM" else max)(found) if found else None
    raise ExpressionUnknown(ast.unparse(node))


def _both(apply: Callable[[float, float], float], left: Value, right: Value) -> Value:
    return None if left is None or right is None else float(apply(left, right))
