# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Selection plans: what a policy decided, in a form that the core can draw from without Python."""

import cython

MAX_MEMBERS = 64

cdef dict _RULES = {"majority": CombineRule.Majority, "mean": CombineRule.Mean}


@cython.final
cdef class Plan:
    def __init__(self, kind, models, *, probabilities=None, rule="majority", waits_for_all=False):
        if not models:
            raise ValueError("a plan needs at least one model")
        if len(models) > MAX_MEMBERS:
            raise ValueError(f"a plan holds at most {MAX_MEMBERS} models, got {len(models)}")
        self.models = tuple(models)
        self.kind = kind
        self.members_label = b"+".join(model.label for model in self.models)
        if kind == "arms":
            self._set_arms(probabilities)
        elif kind == "members":
            if rule not in _RULES:
                raise ValueError(f"unknown combine rule {rule!r}: expected one of {sorted(_RULES)}")
            self.is_arms = False
            if len(set(self.models)) != len(self.models):
                raise ValueError(f"a model is twice among the members {self.members_label.decode()}")
            # Votes are counted as the members of two or more come in.
            if rule == "majority" and len(self.models) == 1:
                self.rule = CombineRule.Single
            else:
                self.rule = <CombineRule><unsigned char>_RULES[rule]
            self.waits_for_all = waits_for_all
            self.member_count = <uint16_t>len(self.models)
        else:
            raise ValueError(f"unknown plan kind {kind!r}: expected 'arms' or 'members'")

    cdef int _set_arms(self, object probabilities) except -1:
        cdef double total = 0.0
        if probabilities is None:
            probabilities = [1.0 / len(self.models)] * len(self.models)
        if len(probabilities) != len(self.models):
            raise ValueError(f"{len(self.models)} arms need as many probabilities, got {len(probabilities)}")
        for probability in probabilities:
            if not 0.0 <= probability <= 1.0:
                raise ValueError(f"an arm's probability lies in 0..1, got {probability!r}")
            total += probability
            self.cumulative.push_back(min(total, 1.0))
        if abs(total - 1.0) > 1e-9:
            raise ValueError(f"the arms' probabilities must sum to 1, they sum to {total!r}")
        self.cumulative[self.cumulative.size() - 1] = 1.0
        self.is_arms = True
        self.rule = CombineRule.Single
        self.member_count = 1
        return 0

    cdef uint16_t draw(self, uint64_t random) noexcept nogil:
        """The arm for a uniform 64-bit random number."""
        cdef double point = <double>(random >> 11) * (1.0 / 9007199254740992.0)
        cdef uint16_t arm = 0
        while arm + 1 < self.cumulative.size() and point >= self.cumulative[arm]:
            arm += 1
        return arm

    cdef double propensity(self, uint16_t arm) noexcept nogil:
        return self.cumulative[arm] - (self.cumulative[arm - 1] if arm > 0 else 0.0)

    def draw_arm(self, random):
        """The arm and its propensity for a uniform random integer in [0, 2**64)."""
        arm = self.draw(random)
        return arm, self.propensity(arm)
