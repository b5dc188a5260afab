"""What the demo shows: believable receipts, real embeddings of them, and a person's afternoon."""
