"""Discrete-event simulator: the queue, controllers and dispatcher of the core under a manual clock."""
