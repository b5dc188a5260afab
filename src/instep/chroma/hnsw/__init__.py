"""The vector index as chromadb 1.5.9 keeps it on the disk: hnswlib's files, and a map of ids."""
