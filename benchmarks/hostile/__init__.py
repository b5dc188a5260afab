"""Mutated inputs over every boundary that foreign bytes cross."""
