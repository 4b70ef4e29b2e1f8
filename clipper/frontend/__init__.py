"""Where the data path and the control path meet: builds the core's objects and swaps in routing snapshots."""
