"""The constructs of a deployment, for this app's stack and for others'."""
