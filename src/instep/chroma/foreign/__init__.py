"""A Chroma directory from outside, read as data: no chromadb, no code of its own."""
