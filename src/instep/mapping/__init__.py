"""instep.toml: which items of a table make which embeddings, in twenty lines and without code."""
