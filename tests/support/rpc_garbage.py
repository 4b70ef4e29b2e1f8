"""Messages that break the rules of the RPC, by what is wrong with them: of anybody, of a stranger, of a replica."""

from __future__ import annotations

from model_containers import codec
from model_containers.wire import Flag, MessageType

HEARTBEAT = codec.encode_header(MessageType.HEARTBEAT)
GARBAGE = {
    "no header": [b""],
    "noise": [b"\x00\xff" * 300],
    "many frames": [b"x"] * 40,
    "wrong magic": [b"HTTP" + HEARTBEAT[4:]],
    "another version": [HEARTBEAT[:4] + b"\x02" + HEARTBEAT[5:]],
    "unknown type": [HEARTBEAT[:6] + b"\x63" + HEARTBEAT[7:]],
    "a flag that it may not have": [codec.encode_header(MessageType.HEARTBEAT, flags=Flag.FINAL)],
}
OF_A_STRANGER = GARBAGE | {
    "a frontend's message": [codec.encode_header(MessageType.ASSIGN), b"ipc:///nowhere"],
    "a registration without its frame": [codec.encode_header(MessageType.REGISTER)],
    "a registration that is no JSON": [codec.encode_header(MessageType.REGISTER), b"{"],
    "a registration of half a character": [codec.encode_header(MessageType.REGISTER), rb'{"model": "\ud800"}'],
}
OF_A_REPLICA = GARBAGE | {
    "a frontend's message": [codec.encode_header(MessageType.ASSIGN), b"ipc:///nowhere"],
    "ready for a second time": [codec.encode_header(MessageType.READY)],
}
