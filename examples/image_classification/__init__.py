"""Handwritten digits: a small ONNX network with its preprocessing, trained here, served by Clipper."""

from model_containers import limit_blas_threads

limit_blas_threads()  # before numpy is imported: training takes longer when every core gets a thread
