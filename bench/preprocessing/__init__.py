"""Preprocessing of images: ours on numpy and on a device, beside what a user would write with other libraries."""

from model_containers import limit_blas_threads

limit_blas_threads()  # before numpy is imported, as in a container
