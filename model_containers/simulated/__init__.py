"""Takes a stated time and commits stated faults: for tests, benchmarks and simulations."""
