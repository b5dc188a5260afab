"""AWS as the engine asks it: objects, table reads, and which of its errors a retry can cure."""
