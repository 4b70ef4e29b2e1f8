# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Outputs by input, within a byte budget, and single-flight evaluation; see prediction_cache.pxd."""

import os

import cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcpy

from clipper.errors import InternalError, InvalidArgumentError

MISS = <int>FetchResult.Miss
HIT = <int>FetchResult.Hit
JOIN = <int>FetchResult.Join
KEY_BYTES = sizeof(CacheKey)
SEED_BYTES = kSeedBytes


cdef CacheKey key_from(bytes key) except *:
    cdef CacheKey result
    if PyBytes_GET_SIZE(key) != sizeof(CacheKey):
        raise InvalidArgumentError(f"key has {len(key)} bytes, expected {sizeof(CacheKey)}")
    memcpy(&result, PyBytes_AS_STRING(key), sizeof(CacheKey))
    return result


@cython.final
cdef class PredictionCacheHandle:
    def __cinit__(self, uint64_t budget_bytes, bytes seed=None):
        if seed is None:
            seed = os.urandom(kSeedBytes)
        if <size_t>PyBytes_GET_SIZE(seed) != kSeedBytes:
            raise InvalidArgumentError(f"seed has {len(seed)} bytes, expected {kSeedBytes}")
        self.hash = new KeyedHash(<const unsigned char*>PyBytes_AS_STRING(seed))
        self.cache = new PredictionCache(budget_bytes)
        self.budget_bytes = budget_bytes
        self.enabled = self.cache.capacity() > 0

    def __dealloc__(self):
        del self.cache
        del self.hash

    def key(self, uint64_t model_uid, uint32_t type_tag, uint64_t element_count, bytes data not None):
        cdef CacheKey key = self.hash[0](model_uid, type_tag, element_count, PyBytes_AS_STRING(data),
                                         <size_t>PyBytes_GET_SIZE(data))
        return (<char*>&key)[:sizeof(CacheKey)]

    def fetch(self, bytes key not None, uint64_t now_us):
        cdef Output* output = NULL
        cdef uint32_t slot = 0
        cdef FetchResult result = self.cache.fetch(key_from(key), now_us, &output, &slot)
        if result == FetchResult.Hit:
            return HIT, output.text[:output.bytes], None
        if result == FetchResult.Join:
            return JOIN, None, slot
        return MISS, None, None

    def begin(self, bytes key not None, uint64_t model_uid, uint32_t slot):
        self.cache.begin(key_from(key), model_uid, slot)

    def put(self, bytes key not None, bytes output not None, uint64_t model_uid, uint64_t expires_us=0):
        cdef CacheKey cache_key = key_from(key)
        if PyBytes_GET_SIZE(output) > <Py_ssize_t>0xFFFFFFFF:
            raise InvalidArgumentError(f"output has {len(output)} bytes, expected fewer than 4 GiB")
        cdef Output* created = Output.create(PyBytes_AS_STRING(output), <uint32_t>PyBytes_GET_SIZE(output))
        self.cache.put(cache_key, created, model_uid, expires_us)
        created.release()

    def abandon(self, bytes key not None):
        self.cache.abandon(key_from(key))

    def remove_model(self, uint64_t model_uid):
        self.cache.remove_model(model_uid)

    def reclaim(self, uint32_t count):
        return self.cache.reclaim(count)

    def check(self):
        cdef const char* broken = broken_invariant(self.cache[0])
        if broken != NULL:
            raise InternalError(f"prediction cache: {broken.decode('ascii')}")

    @property
    def hits(self):
        return self.cache.counters().hits

    @property
    def joins(self):
        return self.cache.counters().joins

    @property
    def misses(self):
        return self.cache.counters().misses

    @property
    def evictions(self):
        return self.cache.counters().evictions

    @property
    def expirations(self):
        return self.cache.counters().expirations

    @property
    def refusals(self):
        return self.cache.counters().refusals

    @property
    def resident_entries(self):
        return self.cache.counters().resident_entries

    @property
    def resident_bytes(self):
        return self.cache.counters().resident_bytes

    @property
    def in_flight(self):
        return self.cache.counters().in_flight

    @property
    def memory_bytes(self):
        return self.cache.memory_bytes()

    @property
    def capacity(self):
        return self.cache.capacity()
