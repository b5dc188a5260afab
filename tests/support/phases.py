"""When trouble strikes a deployed run: SettleBatch's first call is between its first round's work
and all that follows.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from instep.local.faults import LetRival, calls
from tests.support.deployed import DeployedApp


@contextmanager
def from_settling(app: DeployedApp, trouble: AbstractContextManager[object]) -> Iterator[None]:
    """The trouble begins as the first round settles."""
    with ExitStack() as stack:

        def begin() -> None:
            stack.enter_context(trouble)

        with app.proxy.failing(calls(function=app.function("SettleBatch")), LetRival(begin)):
            yield


@contextmanager
def until_settling(app: DeployedApp, trouble: AbstractContextManager[object]) -> Iterator[None]:
    """The trouble ends as the first round settles."""
    with ExitStack() as stack:
        stack.enter_context(trouble)
        end = LetRival(stack.close)
        with app.proxy.failing(calls(function=app.function("SettleBatch")), end):
            yield
