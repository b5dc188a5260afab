"""How long a round may try: a small one is an Express execution's, with five minutes for all of it,
a large one is the runner's own, which has hours.
"""

from dataclasses import dataclass

from aws_cdk import Duration


@dataclass(frozen=True)
class Patience:
    """`apply` bounds a try of ApplyUpdates, None: by the function's own time. `second_try`: after
    the death of a process or a time-out, which a small round leaves to the next, larger one.
    """

    apply: Duration | None
    second_try: bool


SMALL_ROUND = Patience(apply=Duration.seconds(150), second_try=False)
LARGE_ROUND = Patience(apply=None, second_try=True)
