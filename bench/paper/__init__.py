"""The paper's figures on model selection (Crankshaw 2017, Figures 7 to 10), measured on a running Clipper."""
