"""The reader's own code, loaded apart from the one that other tests use: with its locks replaced by
points at which threads stand still, and pieces of it taken out.
"""

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any, Final

from tests.support.marks import ROOT
from tests.support.reader_chroma import Client
from tests.support.stages import Condition, Lock, Stages

_SOURCE: Final = ROOT / "src"
MODULES: Final = {  # each before those that import it
    "gate": "instep.chroma.gate",
    "claim": "instep.snapshot.copy.claim",
    "turn": "instep.snapshot.copy.turn",
    "warm": "instep.snapshot.copy.warm",
    "live": "instep.snapshot.copy.live",
    "reader": "instep.snapshot.copy.reader",
}


def sources() -> dict[str, str]:
    """Return what the modules say."""
    return {name: _file(module).read_text() for name, module in MODULES.items()}


def _file(module: str) -> Path:
    return _SOURCE / f"{module.replace('.', '/')}.py"


@cache
def _compiled(text: str, file: str) -> CodeType:
    return compile(text, file, "exec")


def load(texts: Mapping[str, str]) -> SimpleNamespace:
    """Return the modules, made from these texts; they know one another and nobody knows them."""
    loaded: dict[str, ModuleType] = {}
    with ExitStack() as after:
        for name, known_as in MODULES.items():
            loaded[name] = module = ModuleType(known_as)
            after.callback(_put_back, known_as, sys.modules.get(known_as))
            sys.modules[known_as] = module
            exec(_compiled(texts[name], str(_file(known_as))), module.__dict__)  # noqa: S102
    return SimpleNamespace(**loaded)


def _put_back(name: str, module: ModuleType | None) -> None:
    if module is None:
        del sys.modules[name]
    else:
        sys.modules[name] = module


@dataclass
class Staged:
    """The modules with every step that others may come between made a point of `stages`."""

    code: SimpleNamespace
    stages: Stages

    def __post_init__(self) -> None:
        code, at = self.code, self.stages.at
        code.turn.Lock = lambda: Lock(self.stages)
        code.gate.Condition = lambda: Condition(self.stages)
        code.claim.fcntl = _Flock(code.claim.fcntl, at)
        code.warm.write_pages = _at(at, "write", code.warm.write_pages)
        code.warm.WarmCopy.save = _at(at, "save", code.warm.WarmCopy.save)
        reader = code.reader
        reader.open_reader = lambda directory, _texts: Client(directory, at)
        reader.close_client = lambda client: client.close()
        reader.get_collection = lambda client, _name: client
        reader.check_readable = lambda *_: None
        reader.sqlite_wal = SimpleNamespace(
            wait_until_closed=lambda directory: at("wait", lambda: not Client.is_open(directory))
        )


def _at(at: Callable[[str], None], label: str, does: Callable[..., Any]) -> Callable[..., Any]:
    def stand(*arguments: Any, **named: Any) -> Any:
        at(label)
        return does(*arguments, **named)

    return stand


class _Flock:
    """fcntl, where a lock is a point."""

    def __init__(self, real: Any, at: Callable[[str], None]) -> None:
        self._real = getattr(real, "_real", real)
        self.flock = _at(at, "flock", self._real.flock)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
