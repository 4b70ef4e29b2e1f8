"""Load tests of prediction servers: when requests arrive, who sends them, what a right answer is, what was seen.

`arrivals` says when requests leave, `targets` what they are and which answers are right, `load_run` sends them with the
compiled client beside this package and judges whether the run may be believed, `histogram` holds what was measured.
On top of these, what `clipper bench` asks of a server: `measure` is one watched run, `search` the highest rate within
an objective, `curve` goodput by load, `report` the page of it all.
"""
