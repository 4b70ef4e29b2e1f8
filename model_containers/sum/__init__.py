"""Returns the sum of each input."""
