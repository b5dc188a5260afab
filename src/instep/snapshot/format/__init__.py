"""What lies in S3: documents, HEAD, manifests, packs of pages."""
