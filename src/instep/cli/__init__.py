"""The command line `instep`: one command a file, wired in app.py."""
