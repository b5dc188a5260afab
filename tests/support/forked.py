"""What a forked process finds done: imports, and AWS's service models read, which were most of its
life. No thread and no connection comes of it, so that a fork is safe.
"""

from pathlib import Path

import chromadb.api.rust
import chromadb.telemetry.product.posthog  # noqa: F401 - chromadb imports both at its first client

import tests.conftest  # one reading of the models for all
import tests.support.disk_works  # noqa: F401 - and all that it needs
from tests.support.processes import world_at

world_at("http://127.0.0.1:1", Path())
