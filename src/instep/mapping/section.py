"""A table of the TOML text, read key by key: another type, or a key nobody asked for, is wrong."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from instep.mapping.attributes import Path, path_of

C = TypeVar("C", bound=str)

_CALLED: Final = {bool: "true or false", str: "a text", dict: "a table"}


class Wrong(Exception):
    """What is wrong with a mapping, and at which key."""

    def __init__(self, path: Sequence[str], why: str) -> None:
        super().__init__(why)
        self.path, self.why = tuple(path), why


class Section:
    """One table and the keys that led to it."""

    def __init__(
        self, values: Mapping[str, Any], path: tuple[str, ...], known: Sequence[str] | None
    ) -> None:
        """Refuse keys that are not known; None: there are names of the user's own."""
        self._values, self.path = values, path
        for key in values:
            if known is not None and key not in known:
                raise self.wrong(key, f"there is no such key here; {_meant(key, known)}")

    def __contains__(self, key: str) -> bool:
        """Say whether the table has a key."""
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        """Go through the keys."""
        return iter(self._values)

    def get(self, key: str) -> Any:
        """Return a value of whatever type, None where it is not there: TOML has no null."""
        return self._values.get(key)

    def wrong(self, key: str | None, why: str) -> Wrong:
        """Return the error about a key, or about the table itself."""
        return Wrong(self.path if key is None else (*self.path, key), why)

    def text(self, key: str) -> str | None:
        """Return a text of at least one character, None where it is not there."""
        value: str | None = self._typed(key, str)
        if value == "":
            raise self.wrong(key, "it is empty")
        return value

    def flag(self, key: str) -> bool:
        """Return a bool, False where it is not there."""
        return bool(self._typed(key, bool))

    def choice(self, key: str, choices: Sequence[C]) -> C | None:
        """Return one of these texts, None where it is not there."""
        value = self._values.get(key)
        if value is None or value in choices:
            return value
        raise self.wrong(key, f"it is {shown(value)}; {_meant(value, choices)}")

    def table(self, key: str, known: Sequence[str] | None) -> "Section":
        """Return a table within, an empty one where it is not there."""
        return Section(self._typed(key, dict) or {}, (*self.path, key), known)

    def _typed(self, key: str, kind: type) -> Any:
        value = self._values.get(key)
        if value is not None and not isinstance(value, kind):
            raise self.wrong(key, f"it is {shown(value)}, expected {_CALLED[kind]}")
        return value


def shown(value: object) -> str:
    """Show a value that is at fault, within bounds."""
    return f"{value!r:.60}"


def _meant(said: object, known: Sequence[str]) -> str:
    near = get_close_matches(said, known, 1) if isinstance(said, str) else []
    return f'did you mean "{near[0]}"?' if near else f"expected {', '.join(known)}"


def path_at(section: Section, key: str) -> Path | None:
    """Return the attribute's path that a key names, None where it is not there."""
    text = section.text(key)
    try:
        return None if text is None else path_of(text)
    except ValueError as error:
        raise section.wrong(key, str(error)) from error
