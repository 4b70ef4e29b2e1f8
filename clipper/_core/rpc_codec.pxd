# The RPC codec as Cython sees it: declarations of rpc_schema.hpp and rpc_codec.hpp, where each is explained.
# Functions have the prefix rpc_ here, because the module's own Python functions have the plain names.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libcpp cimport bool as cpp_bool
from libcpp.string cimport string
from libcpp.vector cimport vector

from clipper._core.input_spec cimport InputSpec
from clipper._core.output cimport Output


cdef extern from "rpc_schema.hpp" namespace "clipper" nogil:
    cdef const char[4] kRpcMagic
    cdef uint16_t kRpcVersion
    cdef uint32_t kRpcMaxItems
    cdef uint32_t kRpcMaxRank
    cdef uint32_t kRpcMaxCauseBytes
    cdef uint32_t kRpcMaxRegisterBytes
    cdef size_t kRpcMagicAt
    cdef size_t kRpcVersionAt
    cdef size_t kRpcTypeAt
    cdef size_t kRpcDtypeAt
    cdef size_t kRpcFlagsAt
    cdef size_t kRpcCodeAt
    cdef size_t kRpcItemCountAt
    cdef size_t kRpcBatchIdAt
    cdef size_t kRpcElementsAt
    cdef size_t kRpcBudgetAt
    cdef size_t kRpcComputeAt
    cdef size_t kRpcHeaderBytes
    cdef size_t kRpcPrefixBytes

    cdef enum RpcType:
        kRpcRegister
        kRpcReady
        kRpcHeartbeat
        kRpcPredict
        kRpcResult
        kRpcError
        kRpcDrain
        kRpcAssign

    cdef enum RpcFlag:
        kRpcShaped
        kRpcFailedItems
        kRpcRagged
        kRpcVector
        kRpcFinal

    cdef enum RpcErrorCode:
        kRpcModelError
        kRpcBadRequest
        kRpcNotReady
        kRpcUnknownSession
        kRpcDuplicateReplica
        kRpcWrongVersion
        kRpcRefused

    cdef enum class RpcStatus(uint8_t):
        Ok
        ShortHeader
        BadMagic
        BadVersion
        BadType
        BadDtype
        BadFlags
        BadCount
        BadFrames
        BadShape
        BadOffsets
        BadLength
        BadText
        BadJson

    cdef cppclass RpcHeader:
        uint16_t version
        uint8_t type                    # RpcType
        uint8_t dtype                   # DType
        uint16_t flags                  # RpcFlag bits
        uint16_t code                   # RpcErrorCode
        uint32_t item_count
        uint64_t batch_id
        uint64_t elements_per_item
        uint64_t budget_us
        uint64_t compute_us

    cdef cppclass EncodedHeader:
        char* bytes                     # kRpcHeaderBytes of them

    uint16_t rpc_allowed_flags(uint8_t type) noexcept
    void rpc_encode_header "clipper::encode_header"(const RpcHeader& header, char* out) noexcept
    RpcStatus rpc_decode_header "clipper::decode_header"(const char* data, size_t bytes, RpcHeader& header) noexcept
    const char* rpc_status_text(RpcStatus status) noexcept


cdef extern from "json_scan.hpp" namespace "clipper" nogil:
    cdef uint64_t kDefaultMaxDepth      # brackets open at a time in one JSON output
    cpp_bool validate_json(const char* text, size_t bytes) noexcept


cdef extern from "rpc_codec.hpp" namespace "clipper" nogil:
    cdef struct FrameView:              # borrowed: DANGER, valid as long as the message it views
        const char* data
        size_t bytes

    cdef struct ItemResult:             # output: one reference, the receiver's
        Output* output
        cpp_bool failed

    cdef cppclass PredictLayout:
        RpcHeader header
        vector[uint64_t] offsets        # the offsets frame; empty unless header.flags has RAGGED
        uint64_t payload_bytes

    void lay_out_predict(const InputSpec& spec, const uint64_t* item_bytes, uint32_t item_count, uint64_t batch_id,
                         uint64_t budget_us, PredictLayout& layout) except +
    RpcStatus rpc_decode_cause "clipper::decode_cause"(const FrameView* frames, size_t frame_count,
                                                       string& cause) except +
    RpcStatus rpc_decode_result "clipper::decode_result"(const RpcHeader& header, const FrameView* frames,
                                                         size_t frame_count, uint32_t expected_count,
                                                         vector[ItemResult]& items, string& cause) except +
    void release_items(vector[ItemResult]& items) noexcept
