# cython: language_level=3, boundscheck=False, wraparound=False
# The data path uses the C++ of rpc_codec.hpp through the .pxd; here is what Python needs of it: REGISTER, which comes
# once a session, and thin wrappers by which the tests compare the codec with its oracle.
import json
from typing import NamedTuple

from clipper.errors import ProtocolError

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t
from libcpp.string cimport string
from libcpp.vector cimport vector

from clipper._core.input_spec cimport DType, InputType, dtype_bytes

cdef tuple INPUT_TYPES = ("integers", "floats", "doubles", "strings", "bytes", "tensor")
cdef Py_ssize_t MAX_NAME_BYTES = 256


class RpcDecodeError(ProtocolError):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Header(NamedTuple):
    version: int
    type: int
    dtype: int
    flags: int
    code: int
    item_count: int
    batch_id: int
    elements_per_item: int
    budget_us: int
    compute_us: int


class Registration(NamedTuple):
    model: str
    version: str
    replica_id: str
    nonce: str
    input_type: str
    sdk: str
    pid: int


# -- REGISTER ----------------------------------------------------------------------------------------------------


def decode_register(bytes frame not None):
    if PyBytes_GET_SIZE(frame) > <Py_ssize_t>kRpcMaxRegisterBytes:
        raise ProtocolError(f"REGISTER of {len(frame)} bytes, at most {kRpcMaxRegisterBytes}")
    try:
        fields = json.loads(frame.decode())
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"REGISTER is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ProtocolError(f"REGISTER holds a {type(fields).__name__}, expected an object")
    texts = [_text_of(fields, name) for name in Registration._fields if name != "pid"]
    pid = fields.get("pid", 0)
    if type(pid) is not int or pid < 0:
        raise ProtocolError(f"REGISTER has pid {pid!r}, expected a process id")
    registration = Registration(*texts, pid)
    if registration.input_type not in INPUT_TYPES:
        raise ProtocolError(f"REGISTER has input_type {registration.input_type!r}, expected one of {INPUT_TYPES}")
    return registration


cdef str _text_of(dict fields, str name):
    value = fields.get(name)
    if type(value) is not str or not value or len(value) > MAX_NAME_BYTES or not value.isprintable():
        raise ProtocolError(f"REGISTER has {name} {value!r:.80}, expected a printable text of 1 to {MAX_NAME_BYTES}")
    return value


# -- for the tests -----------------------------------------------------------------------------------------------


def encode_header(header):
    cdef RpcHeader fields
    cdef bytes out = PyBytes_FromStringAndSize(NULL, kRpcHeaderBytes)
    (fields.version, fields.type, fields.dtype, fields.flags, fields.code, fields.item_count, fields.batch_id,
     fields.elements_per_item, fields.budget_us, fields.compute_us) = header
    rpc_encode_header(fields, PyBytes_AS_STRING(out))
    return out


def decode_header(bytes frame not None):
    cdef RpcHeader header
    _read_header(frame, &header)
    return Header(header.version, header.type, header.dtype, header.flags, header.code, header.item_count,
                  header.batch_id, header.elements_per_item, header.budget_us, header.compute_us)


cdef int _read_header(bytes frame, RpcHeader* header) except -1:
    cdef RpcStatus status = rpc_decode_header(PyBytes_AS_STRING(frame), PyBytes_GET_SIZE(frame), header[0])
    if status != RpcStatus.Ok:
        raise RpcDecodeError(<int>status, rpc_status_text(status).decode())
    return 0


cdef int _view_frames(list frames, vector[FrameView]& views) except -1:
    cdef bytes frame
    for frame in frames:
        views.push_back(FrameView(data=PyBytes_AS_STRING(frame), bytes=PyBytes_GET_SIZE(frame)))
    return 0


def encode_predict(list items not None, int dtype, *, unsigned long long batch_id, unsigned long long budget_us=0,
                   tuple shape=()):
    cdef InputSpec spec
    cdef PredictLayout layout
    cdef vector[uint64_t] item_bytes
    for item in items:
        item_bytes.push_back(len(item))
    spec.dtype = <DType>dtype
    spec.type = InputType.Tensor if shape else InputType.Doubles
    spec.shape = shape
    lay_out_predict(spec, item_bytes.data(), <uint32_t>item_bytes.size(), batch_id, budget_us, layout)
    cdef bytes header = PyBytes_FromStringAndSize(NULL, kRpcHeaderBytes)
    rpc_encode_header(layout.header, PyBytes_AS_STRING(header))
    frames = [header]
    if layout.header.flags & kRpcShaped:
        frames.append(PyBytes_FromStringAndSize(<const char*>spec.shape.data(), spec.shape.size() * sizeof(uint64_t)))
    if layout.header.flags & kRpcRagged:
        frames.append(PyBytes_FromStringAndSize(<const char*>layout.offsets.data(),
                                                layout.offsets.size() * sizeof(uint64_t)))
    frames.append(b"".join(items))
    return frames


def decode_result(list frames not None, unsigned int expected_count):
    cdef RpcHeader header
    cdef vector[FrameView] views
    cdef vector[ItemResult] items
    cdef string cause
    if not frames:
        raise RpcDecodeError(<int>RpcStatus.ShortHeader, "no frames")
    _read_header(frames[0], &header)
    _view_frames(frames, views)
    cdef RpcStatus status = rpc_decode_result(header, views.data() + 1, views.size() - 1, expected_count, items, cause)
    if status != RpcStatus.Ok:
        raise RpcDecodeError(<int>status, cause.decode())
    try:
        return [(PyBytes_FromStringAndSize(item.output.text, item.output.bytes), bool(item.failed)) for item in items]
    finally:
        release_items(items)


def decode_cause(list frames not None):
    cdef vector[FrameView] views
    cdef string cause
    _view_frames(frames, views)
    cdef RpcStatus status = rpc_decode_cause(views.data(), views.size(), cause)
    if status != RpcStatus.Ok:
        raise RpcDecodeError(<int>status, rpc_status_text(status).decode())
    return cause.decode()


def is_json(bytes text not None):
    return bool(validate_json(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)))


def schema():
    return {
        "magic": kRpcMagic[:4],
        "version": kRpcVersion,
        "header_bytes": kRpcHeaderBytes,
        "prefix_bytes": kRpcPrefixBytes,
        "offsets": {
            "magic": kRpcMagicAt, "version": kRpcVersionAt, "type": kRpcTypeAt, "dtype": kRpcDtypeAt,
            "flags": kRpcFlagsAt, "code": kRpcCodeAt, "item_count": kRpcItemCountAt,
            "batch_id": kRpcBatchIdAt, "elements_per_item": kRpcElementsAt, "budget_us": kRpcBudgetAt,
            "compute_us": kRpcComputeAt,
        },
        "types": {
            "REGISTER": kRpcRegister, "READY": kRpcReady, "HEARTBEAT": kRpcHeartbeat, "PREDICT": kRpcPredict,
            "RESULT": kRpcResult, "ERROR": kRpcError, "DRAIN": kRpcDrain, "ASSIGN": kRpcAssign,
        },
        "flags": {
            "SHAPED": kRpcShaped, "FAILED_ITEMS": kRpcFailedItems, "RAGGED": kRpcRagged,
            "VECTOR": kRpcVector, "FINAL": kRpcFinal,
        },
        "error_codes": {
            "MODEL_ERROR": kRpcModelError, "BAD_REQUEST": kRpcBadRequest, "NOT_READY": kRpcNotReady,
            "UNKNOWN_SESSION": kRpcUnknownSession, "DUPLICATE_REPLICA": kRpcDuplicateReplica,
            "WRONG_VERSION": kRpcWrongVersion, "REFUSED": kRpcRefused,
        },
        "statuses": {
            "OK": <int>RpcStatus.Ok, "SHORT_HEADER": <int>RpcStatus.ShortHeader,
            "BAD_MAGIC": <int>RpcStatus.BadMagic, "BAD_VERSION": <int>RpcStatus.BadVersion,
            "BAD_TYPE": <int>RpcStatus.BadType, "BAD_DTYPE": <int>RpcStatus.BadDtype,
            "BAD_FLAGS": <int>RpcStatus.BadFlags, "BAD_COUNT": <int>RpcStatus.BadCount,
            "BAD_FRAMES": <int>RpcStatus.BadFrames, "BAD_SHAPE": <int>RpcStatus.BadShape,
            "BAD_OFFSETS": <int>RpcStatus.BadOffsets, "BAD_LENGTH": <int>RpcStatus.BadLength,
            "BAD_TEXT": <int>RpcStatus.BadText, "BAD_JSON": <int>RpcStatus.BadJson,
        },
        "input_types": {name.upper(): value for value, name in enumerate(INPUT_TYPES, start=1)},
        "dtypes": {  # NONE is 0: its name is a keyword here
            "INT8": <int>DType.Int8, "UINT8": <int>DType.UInt8, "INT16": <int>DType.Int16,
            "UINT16": <int>DType.UInt16, "INT32": <int>DType.Int32, "UINT32": <int>DType.UInt32,
            "INT64": <int>DType.Int64, "UINT64": <int>DType.UInt64, "FLOAT16": <int>DType.Float16,
            "FLOAT32": <int>DType.Float32, "FLOAT64": <int>DType.Float64, "BOOL": <int>DType.Bool,
            "BYTES": <int>DType.Bytes, "STRING": <int>DType.String, "JSON": <int>DType.Json,
        },
        "dtype_bytes": [dtype_bytes(<DType><int>dtype) for dtype in range(16)],
        "allowed_flags": [rpc_allowed_flags(kind) for kind in range(1, 9)],
        "limits": {
            "MAX_ITEMS": kRpcMaxItems, "MAX_RANK": kRpcMaxRank, "MAX_JSON_DEPTH": kDefaultMaxDepth,
            "MAX_CAUSE_BYTES": kRpcMaxCauseBytes, "MAX_REGISTER_BYTES": kRpcMaxRegisterBytes,
        },
    }
