# Hop 10: heads encoded ahead, answers in request order. The code is C++: http_response.hpp, response_queue.hpp.
from libc.stdint cimport uint64_t
from libcpp.string cimport string


cdef extern from "<string_view>" namespace "std" nogil:
    cdef cppclass string_view:
        string_view() noexcept
        string_view(const char* text) noexcept
        string_view(const char* data, size_t bytes) noexcept
        const char* data() noexcept
        size_t size() noexcept


cdef extern from "response_queue.hpp" namespace "clipper" nogil:
    cdef struct ReplyTraits:
        bint keep_alive
        bint is_http10
        bint is_head

    cdef cppclass ResponseQueue:
        uint64_t open(ReplyTraits traits) except +
        bint is_open(uint64_t sequence) noexcept
        ReplyTraits traits(uint64_t sequence) noexcept
        uint64_t last_sequence() noexcept
        void close_after(uint64_t sequence) noexcept
        string& sink(uint64_t sequence) noexcept
        void written(uint64_t sequence, size_t bytes) noexcept
        void finish(uint64_t sequence) except +
        void drop_open() noexcept
        bint is_full(uint64_t unread, uint64_t max_requests, uint64_t max_bytes) noexcept
        bint has_drained(uint64_t unread, uint64_t max_requests, uint64_t max_bytes) noexcept
        uint64_t open_count() noexcept
        uint64_t waiting_bytes() noexcept
        bint ended() noexcept
        const string& out() noexcept
        void clear_out() noexcept


cdef extern from "http_response.hpp" namespace "clipper" nogil:
    const string_view kContinue
    const string_view kJsonType
    void append_response(string& out, int status, string_view date, string_view content_type, string_view body,
                         string_view extra_headers, ReplyTraits traits) except +
    string error_json(string_view code, string_view cause) except +
