# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What goes out to containers: control messages, and batches laid out in frames."""

from libc.stdint cimport uint32_t

from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.rpc_codec cimport (
    EncodedHeader, FrameView, RpcHeader, kRpcHeaderBytes, kRpcShaped, lay_out_predict, rpc_encode_header,
)


cdef class RpcSender(MessageHandler):
    def __init__(self, transports):
        self.transports = list(transports)

    cdef int catch_up(self, uint64_t now_us) except -1:
        """After something was sent outside the handling of a message."""
        cdef RpcTransport transport
        for transport in self.transports:
            transport.catch_up(now_us)
        return 0

    cdef int send_control(self, RpcTransport transport, bytes identity, uint8_t kind, uint16_t code,
                          bytes text) except -1:
        """A message about the session. A peer that is gone hears nothing; its session ends by itself."""
        cdef RpcHeader header
        cdef EncodedHeader encoded
        header.type = kind
        header.code = code
        rpc_encode_header(header, encoded.bytes)
        self.heads.clear()
        self.add_head(encoded.bytes, kRpcHeaderBytes)
        if text is not None:
            self.add_head(<const char*>text, len(text))
        self.payload.clear()
        transport.send(identity, self.heads, self.payload, 0, False)
        return 0

    cdef int send_batch(self, Replica replica, InFlightBatch* batch, SlotPool* pool, uint64_t now_us) except -1:
        """Sends a batch as one PREDICT. 0, or 1 if the replica's connection is gone (then nothing was sent)."""
        cdef ModelRuntime model = <ModelRuntime>replica.model
        cdef EncodedHeader encoded
        cdef FrameView item
        cdef uint32_t slot
        cdef uint64_t deadline_us = pool.deadline_us(batch.slots[0])
        self.item_bytes.clear()
        self.payload.clear()
        for slot in batch.slots:
            item.data = <const char*>pool.payload(slot)
            item.bytes = pool.payload_bytes(slot)
            self.item_bytes.push_back(item.bytes)
            self.payload.push_back(item)
        lay_out_predict(model.input_spec, self.item_bytes.data(), <uint32_t>batch.slots.size(), batch.id,
                        deadline_us - now_us if deadline_us > now_us else 1, self.layout)
        rpc_encode_header(self.layout.header, encoded.bytes)
        self.heads.clear()
        self.add_head(encoded.bytes, kRpcHeaderBytes)
        if self.layout.header.flags & kRpcShaped:
            self.add_head(<const char*>model.input_spec.shape.data(), model.input_spec.shape.size() * 8)
        if not self.layout.offsets.empty():
            self.add_head(<const char*>self.layout.offsets.data(), self.layout.offsets.size() * 8)
        return (<RpcTransport>replica.transport).send(replica.identity, self.heads, self.payload,
                                                      self.layout.payload_bytes, True)

    cdef int add_head(self, const char* data, size_t size) except -1:
        cdef FrameView frame
        frame.data = data
        frame.bytes = size
        self.heads.push_back(frame)
        return 0
