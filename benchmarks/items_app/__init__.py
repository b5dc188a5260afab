"""An app of an instep.toml alone: a table of items that bring their vectors."""
