"""One module a family of rows; every module here is found by `bench.reliability.scenario.load_rows`."""
