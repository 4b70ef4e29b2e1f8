# Hops 1 and 2, between bytes and answers: what is decided of a request whose head, and then whose body, is there.
from libc.stdint cimport uint64_t
from libcpp.string cimport string

from clipper._core.http_connection cimport AnsweringConnection
from clipper._core.http_request cimport Method, Refusal, RequestHead
from clipper._core.http_response cimport ReplyTraits, string_view
from clipper._core.route_table cimport Route


cdef class DecidingConnection(AnsweringConnection):
    # -- for life
    cdef object parser                  # httptools.HttpRequestParser
    cdef object get_method              # its methods, bound once: looking them up costs as much as calling them
    cdef object should_keep_alive
    # -- the request in progress
    cdef bytes url                      # as in the request line
    cdef RequestHead head
    cdef Method method
    cdef Route route
    cdef uint64_t sequence              # its place among the connection's answers; from the end of its head on
    cdef Refusal refusal                # to be said when the body has been read past; status 0: none
    cdef bytes body                     # if it came in one piece, as the parser gave it
    cdef string joined_body             # else all pieces
    cdef bint replays_body              # an Upgrade was ignored: the parser skipped the body, a second one reads it

    cdef Refusal admit(self, ReplyTraits* traits, bint* ends) except *
    cdef Refusal check_route(self, bint* ends) except *
    cdef int answer_request(self) except -1
    cdef int refuse_place(self, Refusal refusal) except -1
    cdef bytes allow_line(self, int status)

    cdef int _answer_with_body(self) except -1
    cdef int _answer_route(self) except -1
