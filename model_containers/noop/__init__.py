"""Returns the first element of each input."""
