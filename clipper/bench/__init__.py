"""Measuring a server under load: any HTTP server's highest rate within a latency objective, its cost, its stages.

What `clipper bench` runs. It needs no checkout of the repository and no Clipper that runs; the comparisons with other
servers, which stay in the repository's ``bench``, use it as their library.
"""
