"""What runs on a laptop or in CI: the command line, the local cloud, the demo, our own Node."""
