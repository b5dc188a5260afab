"""The runner's item of the lock table, by the key that a role's rights name too."""

from typing import Final

KEY: Final = "#runner"  # beside the leases; no collection can be named so
