"""The subjects, in the order of the first round."""

from __future__ import annotations

from bench.subjects.blacksheep import Blacksheep
from bench.subjects.clipper import Clipper
from bench.subjects.granian import Granian
from bench.subjects.mosec import Mosec
from bench.subjects.nginx import Nginx
from bench.subjects.subject import Subject
from bench.subjects.triton import Triton

SUBJECTS: tuple[type[Subject], ...] = (Nginx, Triton, Clipper, Mosec, Granian, Blacksheep)
