"""AWS's Python runtime client in a folder of its own, as /var/runtime holds it on AWS: functions
import it without seeing the rest of this machine's packages.
"""

import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

BOOTSTRAP = Path(__file__).with_name("bootstrap")

_DISTRIBUTIONS = ("awslambdaric", "simplejson", "snapshot-restore-py")


def install_runtime(folder: Path) -> dict[str, str]:
    """Link the runtime client into `folder`; return the environment the bootstrap asks for."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _DISTRIBUTIONS:
        for entry in _top_level(distribution(name)):
            link = folder / entry.name
            if not link.is_symlink():
                link.symlink_to(entry)
    return {"INSTEP_PYTHON": sys.executable, "INSTEP_RUNTIME": str(folder)}


def _top_level(installed: Distribution) -> set[Path]:
    files = installed.files or []
    names = {file.parts[0] for file in files if file.suffix in {".py", ".so"}}
    return {Path(str(installed.locate_file(name))) for name in names if name != ".."}
