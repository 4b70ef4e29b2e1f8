"""The original's deployers, for the kinds of models that come without Docker: Python functions."""
