# cython: language_level=3, boundscheck=False, wraparound=False
"""Paths to routes: an immutable table, looked up by the raw bytes of the request target."""

from urllib.parse import unquote_to_bytes

cimport cython

_PYTHON_ROUTE_METHODS = (b"GET",)
_BODY_ROUTE_METHODS = (b"POST",)


@cython.final
cdef class Route:

    def __init__(self, str name not None, object target, *, bint is_predict=False, bint takes_body=False,
                 bint answers_later=False, methods=None):
        if methods is None:
            methods = _BODY_ROUTE_METHODS if is_predict or takes_body else _PYTHON_ROUTE_METHODS
        if not is_predict and not callable(target):
            raise TypeError(f"target of route {name!r} must be callable, not {type(target).__name__}")
        self.name = name
        self.target = target
        self.is_predict = is_predict
        self.reads_body = is_predict or takes_body
        self.methods = tuple(methods)
        for method in self.methods:
            if method not in (b"GET", b"POST"):
                raise ValueError(f"method {method!r} of route {name!r} is not one of GET, POST")
        if self.reads_body and self.methods != _BODY_ROUTE_METHODS:
            raise ValueError(f"route {name!r} reads a body and takes POST alone, not {self.methods!r}")
        if is_predict and takes_body:
            raise ValueError(f"the body of route {name!r} goes to the handler or to its target, not to both")
        if answers_later and self.reads_body:
            raise ValueError(f"route {name!r} reads a body: it may answer later anyway")
        self.gets_request = takes_body or answers_later
        self.allows_get = b"GET" in self.methods
        self.allows_post = b"POST" in self.methods
        listed = [b"GET", b"HEAD"] if self.allows_get else []
        if self.allows_post:
            listed.append(b"POST")
        self.allow = b", ".join([*listed, b"OPTIONS"])

    def __repr__(self):
        return f"Route({self.name!r}, methods={self.methods!r}, is_predict={bool(self.is_predict)})"


@cython.final
cdef class RouteTable:

    def __init__(self, routes=()):
        self._routes = {}
        for path, route in routes:
            if not isinstance(path, bytes) or not isinstance(route, Route):
                raise TypeError(f"a route is a pair of (bytes, Route), not ({path!r}, {route!r})")
            if not path.startswith(b"/"):
                raise ValueError(f"path {path!r} must start with '/'")
            key = _without_trailing_slash(path)
            if key in self._routes:
                raise ValueError(f"path {path!r} is routed twice")
            self._routes[key] = route

    def __len__(self):
        return len(self._routes)

    def lookup(self, bytes url not None):
        return self.find(url)

    cdef Route find(self, bytes url):
        cdef object route = self._routes.get(url)
        if route is None:
            route = self._routes.get(_path_of(url))
        return <Route>route


cdef bytes _without_trailing_slash(bytes path):
    return path[:len(path) - 1] if len(path) > 1 and path.endswith(b"/") else path


cdef bytes _path_of(bytes url):
    """The decoded path of a request target in origin form or absolute form (RFC 9112 section 3.2)."""
    cdef bytes path = url
    if not path.startswith(b"/"):
        scheme, separator, rest = path.partition(b"://")
        if not separator or scheme.lower() not in (b"http", b"https"):
            return path
        path = b"/" + rest.partition(b"/")[2]
    path = path.partition(b"?")[0]
    # One slash only, and before decoding: an encoded slash belongs to a name.
    path = _without_trailing_slash(path)
    return unquote_to_bytes(path) if b"%" in path else path
