"""What goes out to containers: control messages, and batches laid out in frames."""

from collections.abc import Sequence

from clipper._core.rpc_transport import MessageHandler, RpcTransport

class RpcSender(MessageHandler):
    """The sending half of `RpcServer`.

    Parameters
    ----------
    transports : sequence of RpcTransport
        Where containers connect.
    """

    transports: list[RpcTransport]

    def __init__(self, transports: Sequence[RpcTransport]) -> None: ...
