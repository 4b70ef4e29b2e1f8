"""Compare Clipper with what a user would pick instead, in one run on one machine; README.md tells the method."""
