"""An app's own code, as its functions need it: the domain, who else it imports, and a handler each.

This repository writes its handlers by hand. For an app that does not, they are written here, and a
domain that is an instep.toml becomes a package of two files.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from instep.errors import ConfigurationMissing

OF_THE_DOMAIN: Final = (
    "apply_updates",
    "fold_snapshot",
    "ingest",
    "parse_batch",
    "settle_batch",
    "sweep_versions",
    "sync_table",
)
OF_THE_ENGINE: Final = ("acquire_lock", "release_lock", "upload_snapshot")

GENERATED: Final = "instep_domain"
_PACKAGE: Final = '''"""The domain of instep.toml."""

from pathlib import Path

from instep.mapping.domain import load

DOMAIN = load(Path(__file__).with_name("instep.toml"))
'''
_ENGINES: Final = """from instep.lambda_.handlers.{name} import handler

handle = handler()
"""
_DOMAINS: Final = """from instep.lambda_.handlers.{name} import handler
from {module} import {attribute}

handle = handler({attribute})
"""


@dataclass(frozen=True)
class Code:
    """What of an app runs in its functions.

    `domain`: what cdk.json calls it, an instep.toml in the app's folder or `package:ATTRIBUTE`.
    `packages`: what else functions import, such as an embedder of one's own. `handlers`: a folder
    of NAME/handler.py, where they are not to be written here.
    """

    app: Path
    domain: str
    packages: Sequence[str] = ()
    handlers: Path | None = None

    @property
    def mapping(self) -> Path | None:
        """The instep.toml, None for a domain in Python; ConfigurationMissing when it is gone."""
        if not self.domain.endswith(".toml"):
            return None
        file = self.app / self.domain
        if not file.is_file():
            raise ConfigurationMissing(
                f"{file} is not there: `instep init DIR` writes one to begin with"
            )
        return file

    @property
    def reference(self) -> tuple[str, str]:
        """Module and attribute from which a handler imports the domain."""
        if self.mapping:
            return GENERATED, "DOMAIN"
        module, colon, attribute = self.domain.partition(":")
        if not (module and colon and attribute.isidentifier()):
            raise ConfigurationMissing(
                f"domain is {self.domain!r}: give an instep.toml, or 'package:ATTRIBUTE'"
            )
        return module, attribute

    def sources(self) -> list[Path]:
        """Return the folder or file of every package that functions import, each once."""
        names = [name.partition(".")[0] for name in (self.reference[0], *self.packages)]
        return [_source_of(name) for name in dict.fromkeys(names) if name != GENERATED]

    def write_domain(self, folder: Path) -> None:
        """Write the package of the instep.toml into `folder`."""
        if self.mapping:
            package = folder / GENERATED
            package.mkdir()
            (package / "__init__.py").write_text(_PACKAGE)
            (package / "instep.toml").write_bytes(self.mapping.read_bytes())

    def written_handlers(self) -> dict[str, str]:
        """Return the text of each function's handler.py, by the function's name."""
        module, attribute = self.reference
        texts = {name: _ENGINES.format(name=name) for name in OF_THE_ENGINE}
        for name in OF_THE_DOMAIN:
            texts[name] = _DOMAINS.format(name=name, module=module, attribute=attribute)
        return dict(sorted(texts.items()))


def _source_of(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ConfigurationMissing(
            f"the package {name} is not there: it lies beside app.py or is installed, and has an "
            f"__init__.py (looked into {', '.join(entry or '.' for entry in sys.path[:3])}, ...)"
        )
    file = Path(spec.origin)
    return file.parent if file.name == "__init__.py" else file
