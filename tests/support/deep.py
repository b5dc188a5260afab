"""Whether a run is a deep one: what has too many cases for CI meets some there, and all here."""

from typing import Final

from hypothesis import settings

DEEP: Final = settings().max_examples >= settings.get_profile("deep").max_examples
"""`pytest --hypothesis-profile=deep`, and profiles that try even more."""
