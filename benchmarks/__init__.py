"""Both ways in one run: what a change costs the predecessor, LanceDB and Instep on the same S3."""
