from typing_extensions import disjoint_base

from clipper._core.http_connection import AnsweringConnection
from clipper._core.http_server import HttpServer

@disjoint_base
class DecidingConnection(AnsweringConnection):
    """What is decided of a request: refusals, its route, its answer. Base of the protocol."""

    def __init__(self, server: HttpServer) -> None: ...
