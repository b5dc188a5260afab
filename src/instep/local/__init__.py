"""A cloud on loopback: MiniStack under our launcher, and the app deployed to it."""
