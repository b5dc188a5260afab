"""Hypothesis's profiles: `ci`, the default, tries the same examples every time; `deep`
(`pytest --hypothesis-profile=deep tests/property`) tries many more, on fresh seeds; `longest` is
ten thousand histories of tests/property/test_convergence.py, in an hour.

No deadline: how long an example takes is the machine's business. No phase that explains: it traces
every line, chromadb's and moto's too.

The collector leaves alone what was there before the first test: models and modules, by the hundred
thousand, which it would go through again and again.

Some folders go to one worker whole: infrastructure, whose files would each synthesize the app anew,
and deployed, whose files share one deployment. What waits for a deployed app begins first, for it
leaves the processor to others; then long files, with `--no-loadscope-reorder`: the short ones fill
up the workers at the end.
"""

import gc

import pytest
from hypothesis import Phase, settings
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from tests.support import once

once.install()

_WHOLE = ("tests/infrastructure/", "tests/workflow/deployed/")
_WAITING = ("tests/workflow/deployed/", "tests/workflow/test_edges.py")
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
        whole = (folder for folder in _WHOLE if nodeid.startswith(folder))
        return next(whole, super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling:
    return _ByFile(config, log)


@pytest.hookimpl(trylast=True)  # after they were shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the files, and nothing else: within a file, and among such files, order is random."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.nodeid.startswith(_WAITING):
        return 0
    short = item.nodeid.startswith("tests/unit/") and "/benchmarks/" not in item.nodeid
    return 2 if short else 1
