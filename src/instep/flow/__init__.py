"""A change's way: inbox, batches, the lease and the runner, settlement; nothing of snapshots."""
