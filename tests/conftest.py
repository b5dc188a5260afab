"""Hypothesis's profiles: `ci`, the default, tries the same examples every time; `deep`
(`pytest --hypothesis-profile=deep tests/property`) tries many more, on fresh seeds; `longest` is
ten thousand histories of tests/property/test_convergence.py, in an hour.

No deadline: how long an example takes is the machine's business. No phase that explains: it traces
every line, chromadb's and moto's too.

The collector leaves alone what was there before the first test: models and modules, by the hundred
thousand, which it would go through again and again.

Files of infrastructure go to one worker, for each would synthesize the app anew. And long files
first, with `--no-loadscope-reorder`: the short ones fill up the workers at the end.
"""

import gc

import pytest
from hypothesis import Phase, settings
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from tests.support import once

once.install()

_ONE_SYNTHESIS = "tests/infrastructure/"
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
settings.register_profile("ci", deadline=None, max_examples=60, derandomize=True, phases=PHASES)
settings.register_profile("deep", deadline=None, max_examples=2000, phases=PHASES)
settings.register_profile("longest", settings.get_profile("deep"), max_examples=13_334)
settings.load_profile("ci")


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


class _ByFile(LoadFileScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        return _ONE_SYNTHESIS if nodeid.startswith(_ONE_SYNTHESIS) else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling:
    return _ByFile(config, log)


@pytest.hookimpl(trylast=True)  # after they were shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the files, and nothing else: within a file, and among such files, order is random."""
    items.sort(key=lambda item: "unit" in item.path.parts and "benchmarks" not in item.path.parts)
