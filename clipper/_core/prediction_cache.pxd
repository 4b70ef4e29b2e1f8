# Hop 4: fetch / begin / put by a keyed hash of the input. The query path uses the C++ classes through the pointers of a
# PredictionCacheHandle, which owns them; what they do is told in keyed_hash.hpp and prediction_cache.hpp.
# One thread: that of the worker's loop.
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t

from clipper._core.output cimport Output


cdef extern from "keyed_hash.hpp" namespace "clipper" nogil:
    cdef cppclass CacheKey:
        uint64_t low
        uint64_t high

    cdef cppclass KeyedHash:
        KeyedHash(const unsigned char* seed)    # kSeedBytes of it
        CacheKey operator()(uint64_t model_uid, uint32_t type_tag, uint64_t element_count,
                            const void* data, size_t bytes) noexcept

    cdef const size_t kSeedBytes "clipper::KeyedHash::kSeedBytes"


cdef extern from "prediction_cache.hpp" namespace "clipper" nogil:
    cdef enum class FetchResult(unsigned char):
        Miss
        Hit
        Join

    cdef cppclass CacheCounters:
        uint64_t hits
        uint64_t joins
        uint64_t misses
        uint64_t evictions
        uint64_t expirations
        uint64_t refusals
        uint64_t resident_entries
        uint64_t resident_bytes
        uint64_t in_flight

    cdef cppclass PredictionCache:
        PredictionCache(uint64_t budget_bytes) except +
        FetchResult fetch(const CacheKey& key, uint64_t now_us, Output** output, uint32_t* slot) noexcept
        Output* peek(const CacheKey& key, uint64_t now_us) noexcept
        bint is_in_flight(const CacheKey& key) noexcept
        void begin(const CacheKey& key, uint64_t model_uid, uint32_t slot) noexcept
        void put(const CacheKey& key, Output* output, uint64_t model_uid, uint64_t expires_us) noexcept
        void abandon(const CacheKey& key) noexcept
        void remove_model(uint64_t model_uid) noexcept
        bint reclaim(uint32_t count) noexcept
        const CacheCounters& counters() noexcept
        uint64_t memory_bytes() noexcept
        uint32_t capacity() noexcept


cdef extern from "cache_check.hpp" namespace "clipper" nogil:
    # PredictionCache::broken_invariant(): NULL if nothing is wrong
    const char* broken_invariant "clipper::broken_cache_invariant"(const PredictionCache& cache) except +


cdef class PredictionCacheHandle:
    # Owned; made by the constructor, alive as long as the handle is.
    cdef PredictionCache* cache
    cdef KeyedHash* hash
    cdef readonly uint64_t budget_bytes
    cdef readonly bint enabled          # False: the budget holds no entry, and nothing need be hashed
