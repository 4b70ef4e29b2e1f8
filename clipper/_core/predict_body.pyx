# cython: language_level=3, boundscheck=False, wraparound=False
"""The body parser for Python: what the tests compare with their twin. The data path uses the C++ functions."""

from clipper.errors import CallerError, InvalidArgumentError

cdef dict _INPUT_TYPES = {
    "integers": (InputType.Integers, "int32"), "floats": (InputType.Floats, "float32"),
    "doubles": (InputType.Doubles, "float64"), "strings": (InputType.Strings, "string"),
    "bytes": (InputType.Bytes, "bytes"), "tensor": (InputType.Tensor, None),
}
cdef dict _DTYPES = {
    "int8": DType.Int8, "uint8": DType.UInt8, "int16": DType.Int16, "uint16": DType.UInt16,
    "int32": DType.Int32, "uint32": DType.UInt32, "int64": DType.Int64, "uint64": DType.UInt64,
    "float16": DType.Float16, "float32": DType.Float32, "float64": DType.Float64,
    "bool": DType.Bool, "bytes": DType.Bytes, "string": DType.String,
}


class BodyError(CallerError):
    def __init__(self, code, cause):
        super().__init__(cause)
        self.code = code
        self.cause = cause


cdef class Body:
    pass


cdef InputSpec _make_spec(str input_type, object dtype, object shape) except *:
    if input_type not in _INPUT_TYPES:
        raise InvalidArgumentError(f"unknown input type {input_type!r}, expected one of {sorted(_INPUT_TYPES)}")
    type_value, own_dtype = _INPUT_TYPES[input_type]
    dtype = own_dtype if dtype is None else dtype
    if dtype not in _DTYPES or (own_dtype is not None and dtype != own_dtype):
        raise InvalidArgumentError(f"unknown dtype {dtype!r} for {input_type}")
    if own_dtype is None and (shape is None or dtype in ("bytes", "string")):
        raise InvalidArgumentError("a tensor needs a shape and a numeric dtype")
    cdef InputSpec spec
    spec.type = <InputType><int>type_value
    spec.dtype = <DType><int>_DTYPES[dtype]
    spec.element_count = 0 if shape is None else 1
    for length in shape or ():
        if length < 1:
            raise InvalidArgumentError(f"shape {shape!r} has a length below 1")
        spec.shape.push_back(length)
        spec.element_count *= <uint64_t>length
    return spec


cdef BodyLimits _make_limits(
    uint64_t max_items, uint64_t max_depth, uint64_t max_string_bytes, uint64_t max_label_bytes,
) noexcept:
    cdef BodyLimits limits
    limits.max_items = max_items
    limits.max_depth = max_depth
    limits.max_string_bytes = max_string_bytes
    limits.max_label_bytes = max_label_bytes
    return limits


cdef Body _take(bool accepted, ParsedBody& parsed):
    if not accepted:
        raise BodyError((<bytes>parsed.error_code).decode(), (<bytes>parsed.error_cause).decode("utf-8"))
    cdef Body body = Body.__new__(Body)
    body.data = parsed.data.data()[:parsed.data.size()] if parsed.data.size() else b""
    body.offsets = parsed.offsets
    body.is_batch = parsed.is_batch
    body.version = (<bytes>parsed.version).decode("utf-8") if parsed.has_version else None
    body.context = (<bytes>parsed.context).decode("utf-8") if parsed.has_context else None
    body.slo_us = parsed.slo_us if parsed.slo_us else None
    return body


def parse_json_body(
    bytes body not None, str input_type not None, dtype=None, shape=None, *, uint64_t max_items=4096,
    uint64_t max_depth=256, uint64_t max_string_bytes=16 << 20, uint64_t max_label_bytes=1024,
):
    cdef InputSpec spec = _make_spec(input_type, dtype, shape)
    cdef BodyLimits limits = _make_limits(max_items, max_depth, max_string_bytes, max_label_bytes)
    cdef ParsedBody parsed
    cdef const char* data = body
    cdef size_t data_bytes = len(body)
    cdef bool accepted
    with nogil:
        accepted = c_parse_json_body(data, data_bytes, spec, limits, parsed)
    return _take(accepted, parsed)


def parse_binary_body(
    bytes body not None, str input_type not None, dtype=None, shape=None, *, uint64_t clipper_batch=0,
    uint64_t max_items=4096,
):
    cdef InputSpec spec = _make_spec(input_type, dtype, shape)
    cdef BodyLimits limits
    limits.max_items = max_items
    cdef ParsedBody parsed
    cdef const char* data = body
    cdef bool accepted = c_parse_binary_body(data, len(body), spec, limits, clipper_batch, parsed)
    return _take(accepted, parsed)


def validate_json(bytes text not None):
    cdef const char* data = text
    return c_validate_json(data, len(text))
