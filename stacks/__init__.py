"""This repository's deployment, on the construct that others put into theirs."""
