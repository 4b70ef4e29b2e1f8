"""Where the containers of one worker connect: a Unix socket for this machine, a secured TCP port for others."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import zmq

from clipper._core.rpc_transport import RpcTransport
from clipper._core.rpc_unix import UnixTransport
from clipper._core.rpc_zmq import ZmqTransport
from clipper.config import ClipperConfig
from clipper.errors import StartError
from clipper.security.container_rights import container_user, share_socket
from clipper.security.rpc_keys import FrontendKeys, read_frontend_keys, secure_router
from clipper.security.zap import ContainerGate


class RpcEndpoints:
    """The transports of one worker, bound when this is made.

    Raises
    ------
    InvalidArgumentError
        The keys of the TCP port are missing or not usable.
    StartError
        The TCP port cannot be bound.
    """

    def __init__(self, config: ClipperConfig, worker: int) -> None:
        self.local_address = f"ipc://{config.rpc_socket_path(worker)}"
        self.tcp_address = ""  # with the real port; "" = none
        self.transports: list[RpcTransport] = []
        self._gate: ContainerGate | None = None
        if config.rpc.tcp_host:
            port = config.rpc.tcp_port + worker if config.rpc.tcp_port else 0
            keys_dir = config.security.rpc_keys_dir
            if keys_dir is None:
                raise AssertionError("a configuration with rpc.tcp_host has keys")
            self._open_tcp(config.rpc.tcp_host, port, read_frontend_keys(keys_dir))
        self.transports.insert(0, UnixTransport(self.local_address))
        if config.uses_docker:
            self._share_with_containers(config, worker)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer on this loop who may join over TCP."""
        if self._gate is not None:
            self._gate.start(loop)

    def close(self) -> None:
        """Let nobody join any more; whoever serves the transports closes them."""
        if self._gate is not None:
            self._gate.close()

    def _share_with_containers(self, config: ClipperConfig, worker: int) -> None:
        user = container_user(config.docker)
        try:
            share_socket(config.rpc_socket_path(worker), user)
        except OSError as error:
            raise StartError(
                f"the containers' user docker.user={user!r} cannot be let use the sockets: {error.strerror}",
                hint="leave docker.user empty, or start Clipper as root or as that user",
            ) from error

    def _open_tcp(self, host: str, port: int, keys: FrontendKeys) -> None:
        gate = ContainerGate(zmq.Context.instance(), keys.authorized.value)

        def secure(router: zmq.Socket[Any]) -> None:
            router.set(zmq.IPV6, int(address.startswith("tcp://[")))
            secure_router(router, keys)
            gate.watch(router)

        address = ""
        try:
            address = _tcp_address(host, port)
            transport = ZmqTransport(zmq.Context.instance(), address, secure)
        except (OSError, zmq.ZMQError) as error:
            gate.close()
            raise StartError(
                f"cannot listen for containers on {host}:{port} (rpc.tcp_host, rpc.tcp_port): {error.strerror}",
                hint="is another process there, or has this machine no such address?",
            ) from error
        self._gate = gate
        self.tcp_address = transport.address
        self.transports.append(transport)


def _tcp_address(host: str, port: int) -> str:
    """Return the address in ZeroMQ's form, which knows numbers only."""
    address = str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])
    return f"tcp://[{address}]:{port}" if ":" in address else f"tcp://{address}:{port}"
