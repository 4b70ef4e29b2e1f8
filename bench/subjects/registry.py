"""The subjects, in the order of the first round: floors, batching servers with Clipper among them, inline servers."""

from __future__ import annotations

from bench.subjects.bentoml import BentoMl
from bench.subjects.blacksheep import Blacksheep
from bench.subjects.clipper import Clipper
from bench.subjects.fastapi import FastApi
from bench.subjects.granian import Granian
from bench.subjects.litserve import LitServe
from bench.subjects.mlserver import MlServer
from bench.subjects.mosec import Mosec
from bench.subjects.nginx import Nginx
from bench.subjects.rayserve import RayServe
from bench.subjects.subject import Subject
from bench.subjects.torchserve import TorchServe
from bench.subjects.triton import Triton
from bench.subjects.uvloop_floor import UvloopFloor
from bench.subjects.zeromq import ZeroMqEcho

SUBJECTS: tuple[type[Subject], ...] = (
    Nginx,
    UvloopFloor,
    ZeroMqEcho,
    Triton,
    Clipper,
    Mosec,
    Granian,
    Blacksheep,
    FastApi,
    TorchServe,
    BentoMl,
    LitServe,
    MlServer,
    RayServe,
)
