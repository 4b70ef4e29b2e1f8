"""A container that does what a test says: a DEALER that registers, takes batches, and answers or misbehaves on command.

It has no thread and no heartbeat of its own; every wait has a limit and fails with what was seen.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zmq

from model_containers import codec, results
from model_containers.codec import Header, PredictRequest
from model_containers.wire import DType, ErrorCode, Flag, MessageType

WAIT_S = 10.0


@dataclass(frozen=True)
class Batch:
    """One PREDICT as it came."""

    header: Header
    request: PredictRequest

    @property
    def inputs(self) -> list[Any]:
        """The inputs as plain Python values."""
        return [one.tolist() if isinstance(one, np.ndarray) else one for one in self.request.inputs]


class PuppetContainer:
    """One container's connection.

    Parameters
    ----------
    address : str
        Of the frontend's ROUTER.
    nonce : str, optional
        What tells its process from another; by default a fresh one.
    """

    def __init__(
        self,
        address: str,
        *,
        model: str = "m",
        version: str = "1",
        replica_id: str = "m:1:0",
        nonce: str | None = None,
        input_type: str = "doubles",
    ) -> None:
        self.replica_id = replica_id
        self.nonce = nonce or secrets.token_hex(4)
        self._registration: dict[str, str | int] = {
            "model": model,
            "version": version,
            "replica_id": replica_id,
            "nonce": self.nonce,
            "input_type": input_type,
            "sdk": "puppet",
            "pid": 1,
        }
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.set(zmq.LINGER, 0)
        self._socket.connect(address)

    def close(self) -> None:
        """Vanish without a word."""
        self._socket.close(linger=0)
        self._context.term()

    # -- the session -------------------------------------------------------------------------------------------------

    def register(self) -> None:
        """Say who it is."""
        self.send(codec.encode_register(self._registration))

    def start(self) -> PuppetContainer:
        """Register, be accepted, be ready."""
        self.register()
        self.expect(MessageType.HEARTBEAT)
        self.send([codec.encode_header(MessageType.READY)])
        return self

    def beat(self) -> None:
        """Send a heartbeat."""
        self.send([codec.encode_header(MessageType.HEARTBEAT)])

    def say_leaving(self) -> None:
        """Ask for no further batch."""
        self.send([codec.encode_header(MessageType.DRAIN)])

    def say_left(self) -> None:
        """Say that all is answered."""
        self.send([codec.encode_header(MessageType.DRAIN, flags=Flag.FINAL)])

    # -- messages ----------------------------------------------------------------------------------------------------

    def send(self, frames: Sequence[Any]) -> None:
        """Send any frames."""
        self._socket.send_multipart(frames)

    def receive(self, limit_s: float = WAIT_S) -> list[bytes]:
        """Return the next message."""
        if not self._socket.poll(int(limit_s * 1000)):
            raise AssertionError(f"{self.replica_id} heard nothing for {limit_s} s")
        return self._socket.recv_multipart()

    def expect(self, kind: MessageType) -> list[bytes]:
        """Return the next message of this type; heartbeats before it are passed over, anything else fails."""
        while True:
            frames = self.receive()
            found = MessageType(codec.decode_header(frames[0]).type)
            if found == kind:
                return frames
            if found != MessageType.HEARTBEAT:
                raise AssertionError(f"{self.replica_id} got {found.name}, expected {kind.name}: {frames}")

    def expect_error(self) -> tuple[ErrorCode, str]:
        """Return the code and cause of the next ERROR."""
        frames = self.expect(MessageType.ERROR)
        return ErrorCode(codec.decode_header(frames[0]).code), codec.decode_text(frames[1:])

    def has_batch(self) -> bool:
        """Is a message there now? Heartbeats are eaten."""
        while self._socket.poll(0):
            frames = self._socket.recv_multipart()
            if codec.decode_header(frames[0]).type != MessageType.HEARTBEAT:
                return True
        return False

    # -- batches -----------------------------------------------------------------------------------------------------

    def take_batch(self) -> Batch:
        """Wait for a batch."""
        frames = self.expect(MessageType.PREDICT)
        header = codec.decode_header(frames[0])
        return Batch(header, codec.decode_predict(header, frames[1:]))

    def answer(self, batch: Batch, outputs: Sequence[Any], *, failed: Sequence[int] = ()) -> None:
        """Send outputs, any JSON values; those at the indices ``failed`` are causes."""
        flags = [index in failed for index in range(len(outputs))]
        texts = [
            str(output).encode() if bad else json.dumps(output).encode()
            for output, bad in zip(outputs, flags, strict=True)
        ]
        encoded = results.encode_texts(DType.JSON, texts, flags)
        self.send(results.encode_result(encoded, len(texts), batch.header.batch_id, 100))

    def answer_array(self, batch: Batch, array: codec.Array) -> None:
        """Send outputs as one typed tensor."""
        encoded = results.encode_array(array, results.DTYPES_OF_NUMPY[array.dtype])
        self.send(results.encode_result(encoded, len(array), batch.header.batch_id, 100))

    def fail(self, batch: Batch, cause: bytes) -> None:
        """Say that the model raised."""
        header = codec.encode_header(MessageType.ERROR, code=ErrorCode.MODEL_ERROR, batch_id=batch.header.batch_id)
        self.send([header, cause])


class ServingPuppet:
    """A ready puppet on a thread of its own that answers every batch at once.

    Parameters
    ----------
    predict : callable (list of inputs) -> list of outputs
    """

    def __init__(self, address: str, predict: Callable[[list[Any]], list[Any]], **registration: str) -> None:
        self.batch_sizes: list[int] = []
        self._predict = predict
        self._is_stopped = threading.Event()
        self._puppet = PuppetContainer(address, **registration).start()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._is_stopped.is_set():
            if not self._puppet._socket.poll(20):
                continue
            frames = self._puppet.receive()
            header = codec.decode_header(frames[0])
            if header.type == MessageType.PREDICT:
                batch = Batch(header, codec.decode_predict(header, frames[1:]))
                self.batch_sizes.append(len(batch.inputs))
                self._puppet.answer(batch, self._predict(batch.inputs))

    def close(self) -> None:
        """Vanish."""
        self._is_stopped.set()
        self._thread.join()
        self._puppet.close()
