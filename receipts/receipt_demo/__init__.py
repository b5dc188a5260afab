"""The story `instep demo` tells of receipts: believable ones, with real embeddings, and a person's
afternoon. It stands on the command line, and no function knows it.
"""
