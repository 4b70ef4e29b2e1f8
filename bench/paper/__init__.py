"""The figures of the paper (Crankshaw et al., NSDI 2017), measured on a running Clipper."""
