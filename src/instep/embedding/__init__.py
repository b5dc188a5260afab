"""What makes vectors of texts: the port, what Instep ships, and batches that outlive a crash."""
