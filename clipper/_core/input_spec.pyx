# cython: language_level=3, boundscheck=False, wraparound=False
"""The names of input types and element types, and the spec that they make."""

from clipper.errors import InvalidArgumentError

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


cdef InputSpec make_input_spec(str input_type, object dtype, object shape) except *:
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
