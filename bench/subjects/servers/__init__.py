"""The programs of the subjects: each runs in its own virtual environment and imports nothing but what it has there."""
