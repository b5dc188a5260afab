"""Every file that leans on the insides of chromadb or SQLite."""
