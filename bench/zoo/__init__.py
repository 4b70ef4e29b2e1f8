"""The models that the comparison serves, and questions to each whose answers are known: one model a file."""
