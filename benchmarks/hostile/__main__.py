"""Read one input again, with its whole error: python -m benchmarks.hostile SEED BOUNDARY NUMBER."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.hostile.trial import dice_of
from benchmarks.hostile.worker import every_boundary


def main(seed: str, name: str, index: str) -> None:
    """Make the input and read it."""
    with TemporaryDirectory() as scratch:
        boundary = every_boundary(Path(scratch))[name]
        sample = boundary.mutated(dice_of(name, int(seed), int(index)))
        sys.stdout.write(f"{sample!r:.2000}\n")
        boundary.read(sample)


if __name__ == "__main__":
    main(*sys.argv[1:])
