"""Breaks a running Clipper on purpose, under constant load, and says whether it kept its promises."""
