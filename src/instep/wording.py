"""Numbers of things, in words: for a screen, and for the cause that a run leaves."""


def number_text(count: int, one: str, many: str = "") -> str:
    """Return a number of things as people read it: 1 change, 2,000 changes."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
