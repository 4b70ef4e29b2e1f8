"""Actual state: the containers that run, and the decisions that bring them to the desired state."""
