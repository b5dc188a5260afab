"""A version on this machine: fetched, checked, kept, read."""
