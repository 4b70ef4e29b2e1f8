# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The RPC socket on the loop: sessions, batches out, results in.

ZeroMQ's descriptor is edge-triggered: it says that something happened, not that something is there, and a send may
swallow the edge of a message that came in meanwhile. So ZMQ_EVENTS is read again after every send and every receive,
and nothing here polls.
"""

import json

import cython
import zmq
from libc.errno cimport EAGAIN, EINTR
from libc.string cimport memcpy

from clipper._core.rpc_codec cimport RpcStatus, decode_header, decode_result, encode_header, kHeaderBytes, rpc_status_text
from clipper._core.rpc_session import RpcSession
from clipper.errors import ProtocolError

MAX_FRAMES = 8                            # identity, header and at most five more; what is longer is garbage
DEFAULT_HEARTBEAT_INTERVAL_US = 500_000
DEFAULT_HEARTBEAT_TIMEOUT_US = 3_000_000  # six heartbeats
