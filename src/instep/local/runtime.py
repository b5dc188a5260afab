"""AWS's Python runtime client in a folder of its own, as /var/runtime holds it on AWS: functions
import it without seeing the rest of this machine's packages. Beside it lies the small model of
`embed = "local"`, where it is installed: it is meant for this cloud, and in no layer.
"""

import sys
from contextlib import suppress
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

BOOTSTRAP = Path(__file__).with_name("bootstrap")

_CLIENT = ("awslambdaric", "simplejson", "snapshot-restore-py")
_MODEL = ("wordllama", "tokenizers", "safetensors", "toml", "requests", "charset-normalizer")
"""And what wordllama imports that is in no layer."""


def install_runtime(folder: Path) -> dict[str, str]:
    """Link the runtime client and the model into `folder`; return the environment the bootstrap
    asks for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in _CLIENT:
        _link(distribution(name), folder)
    with suppress(PackageNotFoundError):  # then `local` says what to install
        for name in _MODEL:
            _link(distribution(name), folder)
    return {"INSTEP_PYTHON": sys.executable, "INSTEP_RUNTIME": str(folder)}


def _link(installed: Distribution, folder: Path) -> None:
    for entry in _top_level(installed):
        link = folder / entry.name
        if not link.is_symlink():
            link.symlink_to(entry)


def _top_level(installed: Distribution) -> set[Path]:
    files = installed.files or []
    names = {file.parts[0] for file in files if file.suffix in {".py", ".so"}}
    return {Path(str(installed.locate_file(name))) for name in names if name != ".."}
