"""Versions of a collection's directory on S3: staged, published, materialised, folded, read."""
