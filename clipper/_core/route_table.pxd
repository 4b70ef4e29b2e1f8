# Hop 2: which path leads where. Immutable: a change builds a new table, and the server swaps the pointer.


cdef class Route:
    """Where one path leads; never changed after it is made."""
    cdef readonly str name          # "predict", "metrics", ...
    cdef readonly tuple methods     # bytes; what Allow says and 405 goes by (HEAD and OPTIONS are added for the caller)
    cdef readonly object target     # predict: the application's runtime object, opaque here; else a callable, see .pyi
    cdef readonly bytes allow       # the value of the Allow header, made once
    cdef bint is_predict            # the body goes to the PredictHandler; else `target` is called
    cdef bint reads_body            # is_predict, or takes_body: see .pyi
    cdef bint gets_request          # `target` is called with a RouteRequest, and answers by it
    cdef bint allows_get
    cdef bint allows_post


cdef class RouteTable:
    """Paths to routes; lookup takes the raw bytes of the request target."""
    cdef dict _routes               # path (bytes, decoded, no trailing '/') -> Route

    # Exact hit first; else without the query and one trailing '/', percent-decoded. None if unknown.
    cdef Route find(self, bytes url)
