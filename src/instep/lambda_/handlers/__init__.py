"""A function a file: `handler` makes its parts once a cold start and returns what Lambda calls."""
