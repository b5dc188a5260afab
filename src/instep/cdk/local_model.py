"""The small embedding model within reach of the local cloud's functions; no layer carries it.

A folder of links to what `instep[local]` has installed, without what the functions' own
dependencies bring.
"""

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from instep.cdk.config import Config, ConfigRejected
from instep.derived import DerivedDomain
from instep.domain import Domain

_MODEL: Final = "wordllama"
_LOCAL: Final = "local:"  # how `instep.embedding.local` names itself
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")


def asks_for_the_model(domain: Domain, config: Config) -> bool:
    """Say whether functions need the model; ConfigRejected where they cannot have it."""
    sources = domain.sources.values() if isinstance(domain, DerivedDomain) else ()
    embedders = [source.embedder for source in sources]
    asked = any(one is not None and one.name.startswith(_LOCAL) for one in embedders)
    if asked and not config.local_cloud:
        raise ConfigRejected(
            'embed = "local" is for the local cloud: on AWS name a service, such as '
            '"bedrock:amazon.titan-embed-text-v2:0", or a function of your own'
        )
    return asked


def link_model(build: Path, dependencies: Path) -> Path:
    """Return a folder from which the model can be imported beside `dependencies`."""
    folder = build / "model" / dependencies.name
    folder.mkdir(parents=True, exist_ok=True)
    for source in _files():
        link = folder / source.name
        if not (dependencies / "python" / source.name).exists() and not link.is_symlink():
            link.symlink_to(source)
    return folder


def _files() -> Iterator[Path]:
    """Yield the top folders and files of the model's distribution and of all it requires."""
    seen: set[str] = set()
    waiting = [_MODEL]
    while waiting:
        name = waiting.pop()
        found = _distribution(name)
        if name in seen or found is None:
            continue
        seen.add(name)
        waiting += [match[0].lower() for one in found.requires or () if (match := _NAME.match(one))]
        tops = {Path(str(file)).parts[0] for file in found.files or ()} - {"..", "__pycache__"}
        yield from (Path(str(found.locate_file(top))) for top in sorted(tops))


def _distribution(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None  # of an extra, or of another platform
