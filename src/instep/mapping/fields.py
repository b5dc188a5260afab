"""`[collections.NAME.metadata]` as it is written: a type, or a table of from, type, default and
required.
"""

from typing import Final

from instep.chroma.carriable import wrong_fields
from instep.difference import Value
from instep.mapping.attributes import path_of
from instep.mapping.model import Field
from instep.mapping.section import Section, path_at, shown
from instep.mapping.values import FIELD_TYPES, FieldType

_OURS: Final = "instep_"  # what the engine writes beside: instep_subject, instep_vector
_MEMBERS: Final = {
    "text": (str,),
    "int": (int,),
    "float": (int, float),
    "number": (int, float),
    "bool": (bool,),
    "list of text": (str,),
    "list of numbers": (int, float),
}


def read_fields(section: Section) -> tuple[Field, ...]:
    """Return the fields, by name; Wrong for a name that Chroma or the engine keeps."""
    return tuple(_field(section, name) for name in sorted(section))


def _field(section: Section, name: str) -> Field:
    if why := wrong_fields({name: None}).get(name):
        raise section.wrong(name, why)
    if name.startswith(_OURS):
        raise section.wrong(name, f"keys that begin with {_OURS} are the engine's")
    if not isinstance(section.get(name), dict):
        return Field(name, _path(section, name), _type(section, name))
    within = section.table(name, ("from", "type", "default", "required"))
    type_ = _type(within, "type")
    path = path_at(within, "from") or _path(section, name)
    required = within.flag("required")
    if required and "default" in within:
        raise within.wrong("default", "a field that is required needs none")
    default = _default(within, type_) if "default" in within else None
    return Field(name, path, type_, default, required)


def _type(section: Section, key: str) -> FieldType:
    type_ = section.choice(key, FIELD_TYPES)
    if type_ is None:
        raise section.wrong(None, f"it has no type: one of {', '.join(FIELD_TYPES)}")
    return type_


def _path(section: Section, name: str) -> tuple[str, ...]:
    try:
        return path_of(name)
    except ValueError as error:
        raise section.wrong(name, str(error)) from error


def _default(section: Section, type_: FieldType) -> Value:
    value = section.get("default")
    members = value if isinstance(value, list) else [value]
    fits = isinstance(value, list) == type_.startswith("list") and all(
        type(one) in _MEMBERS[type_] for one in members
    )
    if not fits or not members:
        raise section.wrong("default", f"it is {shown(value)}, expected {type_}")
    if type_ == "float" or any(type(one) is float for one in members):
        members = [float(one) for one in members]
    default: Value = members if isinstance(value, list) else members[0]
    if why := wrong_fields({"default": default}).get("default"):
        raise section.wrong("default", why)
    return default
