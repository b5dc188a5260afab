"""Hypothesis's profiles: `ci`, the default, tries the same examples every time; `deep`
(`pytest --hypothesis-profile=deep tests/property`) tries many more, on fresh seeds.

No deadline: how long an example takes is the machine's business. No phase that explains: it traces
every line, chromadb's and moto's too.

And one reading of AWS's service models for all tests of a process: every cold start of a handler
makes clients anew, and parsing these files was most of that.
"""

from functools import cache

import botocore.session
from hypothesis import Phase, settings

botocore.session.create_loader = cache(botocore.session.create_loader)

PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
settings.register_profile("ci", deadline=None, max_examples=60, derandomize=True, phases=PHASES)
settings.register_profile("deep", deadline=None, max_examples=2000, phases=PHASES)
settings.load_profile("ci")
