"""An app of its own: a table of items that bring their vectors, and the functions bound to it."""
