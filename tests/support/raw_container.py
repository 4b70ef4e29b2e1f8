"""A container on a bare Unix socket that writes its own bytes: cut, wrong, too many, or none any more."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import numpy as np

from model_containers import codec, zmtp
from model_containers.codec import Header
from model_containers.wire import DType, MessageType
from tests.support.data_path import WAIT_S, DataPath


class RawContainer:
    """One connection to a data path; some bytes at a time if asked to."""

    def __init__(self, path: DataPath, index: int = 0, name: str = "m", input_type: str = "doubles") -> None:
        self.path, self.replica_id = path, f"{name}:1:{index}"
        self.reader = zmtp.MessageReader()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(WAIT_S)
        self.socket.connect(path.address.removeprefix("ipc://"))
        path.puppets.append(self)  # closed at the end
        self._who: dict[str, str | int] = {
            "model": name, "version": "1", "replica_id": self.replica_id, "nonce": "n", "input_type": input_type,
            "sdk": "raw", "pid": 1,
        }  # fmt: skip

    def start(self, step_bytes: int = 1 << 20) -> RawContainer:
        """Register, be ready, take batches."""
        self.greet(step_bytes)
        self.send(codec.encode_register(self._who), step_bytes)
        self.send([codec.encode_header(MessageType.READY)], step_bytes)
        self.path.wait_ready(self.replica_id)
        return self

    def greet(self, step_bytes: int = 1 << 20) -> RawContainer:
        """Carry out the handshake of ZMTP."""
        self.write(zmtp.HELLO, step_bytes)
        while not self.reader.greet():
            self._fill()
        return self

    def write(self, data: bytes, step_bytes: int = 1 << 20) -> None:
        """Write any bytes."""
        for at in range(0, len(data), step_bytes):
            self.socket.sendall(data[at : at + step_bytes])

    def send(self, frames: Sequence[Any], step_bytes: int = 1 << 20) -> None:
        """Send any frames as one message."""
        self.write(bytes_of(frames), step_bytes)

    def close(self) -> None:
        """Vanish; what it has not read makes the end of the connection a reset."""
        self.socket.close()

    def _fill(self) -> None:
        count = self.socket.recv_into(self.reader.space())
        if not count:
            raise EOFError
        self.reader.add(count)

    def receive(self) -> list[Any]:
        """Return the next message; EOFError if there is none."""
        while (frames := self.reader.take()) is None:
            self._fill()
        return list(frames)

    def expect(self, kind: MessageType) -> tuple[Header, list[Any]]:
        """Pass over everything before the next message of this type."""
        while True:
            frames = self.receive()
            header = codec.decode_header(frames[0])
            if header.type == kind:
                return header, frames[1:]

    def take_batch(self) -> tuple[Header, Any]:
        """Wait for a batch: its header and its inputs."""
        header, frames = self.expect(MessageType.PREDICT)
        return header, codec.decode_predict(header, frames).inputs

    def answer(self, header: Header, outputs: Sequence[float], step_bytes: int = 1 << 20) -> None:
        """Send the outputs of a batch."""
        self.send(encode_doubles(header, outputs), step_bytes)

    def is_hung_up_on(self) -> bool:
        """Wait for the end of the connection."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        return True


def bytes_of(frames: Sequence[Any]) -> bytes:
    """Return a message as it stands on the wire."""
    return b"".join(bytes(part) for part in zmtp.encode_message(frames)[0])


def encode_doubles(header: Header, outputs: Sequence[float]) -> list[bytes]:
    """Return the frames of a RESULT with one number an output."""
    result = codec.encode_header(
        MessageType.RESULT, dtype=DType.FLOAT64, item_count=len(outputs), batch_id=header.batch_id, elements_per_item=1
    )
    return [result, np.array(outputs, np.float64).tobytes()]
