# cython: language_level=3, boundscheck=False, wraparound=False
"""What one application wants to have of its decisions."""

import cython

MAX_UNFILED = 100_000       # DecisionFeed::kMaxUnfiled

cdef uint32_t _last_uid = 0


@cython.final
cdef class DecisionStream:
    def __init__(self, str name, *, uint64_t ttl_us, bint is_filed=False, size_t sample_size=0, bytes policy=b"null"):
        global _last_uid
        _last_uid += 1
        self.uid = _last_uid
        self.name = name
        self.ttl_us = ttl_us
        self.policy = policy
        self.feed.is_filed = is_filed
        self.feed.sample_size = sample_size

    @property
    def is_filed(self):
        return self.feed.is_filed

    @is_filed.setter
    def is_filed(self, bint value):
        self.feed.is_filed = value

    @property
    def sample_size(self):
        return self.feed.sample_size

    @sample_size.setter
    def sample_size(self, size_t value):
        self.feed.sample_size = value
