"""`instep bench hostile`: mutated inputs over every boundary that foreign bytes cross."""

from benchmarks.hostile.bench import run

__all__ = ["run"]
