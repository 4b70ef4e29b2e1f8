"""Sustainable rate and goodput of the real system, beside the simulator's figures for the same line."""
