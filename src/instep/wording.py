"""Numbers of things, in words: for a screen, and for the cause that a run leaves."""


def number_text(count: float, one: str, many: str = "") -> str:
    """Return a number of things as people read it: 1 change, 2,000 changes, 0.5 changes."""
    number = f"{count:,}" if isinstance(count, int) else f"{count:g}"
    return f"{number} {one if count == 1 else many or f'{one}s'}"
