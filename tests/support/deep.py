"""Whether a run is a deep one: what has too many cases for CI meets some there, and all here.

False in a process that a test starts: there nobody has loaded a profile, so pass it what it needs.
"""

from typing import Final

from hypothesis import settings

DEEP: Final = settings().max_examples > 1000
"""By `pytest --hypothesis-profile=deep`."""
