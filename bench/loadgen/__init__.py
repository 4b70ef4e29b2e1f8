"""Load generators: wrk for closed loop, a compiled client of our own for open loop, and what reads their output."""
