"""Estimates of `clipper evaluate` against simulated traffic whose truth is known; see docs/evaluation.md."""
