"""What a handler needs before it calls the library."""
