"""The Python API: what runs in the caller's process. Its one class is `Clipper`: ``from clipper import Clipper``."""
