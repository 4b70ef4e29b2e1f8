# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Selection plans: what a policy decided, in a form that the core can draw from without Python."""

from math import isfinite

import cython
from libcpp.string cimport string

MAX_MEMBERS = 64
MAX_FEATURES = 1024
MAX_THRESHOLD = 2.0

# What a plan takes, about: itself, its tuples and its label; and of these and its vectors what grows with the models.
cdef enum:
    PLAN_BYTES = 512
    PLAN_MODEL_BYTES = 96

cdef dict _RULES = {"majority": CombineRule.Majority, "mean": CombineRule.Mean, "weighted": CombineRule.Weighted}
_KINDS = ("arms", "members", "cascade", "features")
# Which kind takes which options; one that would be ignored is a mistake, and is refused.
_OPTIONS_OF = {"probabilities": "arms", "weights": "members", "thresholds": "cascade", "select": "features"}


cdef double unit_point(uint64_t random) noexcept nogil:
    """A uniform 64-bit random number as a point in [0, 1)."""
    return <double>(random >> 11) * (1.0 / 9007199254740992.0)


def context_word(str context not None):
    cdef string text = context.encode()
    return word_of_context(text)


cdef double ratio_of(object value, str name) except -1.0:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} lies in 0..1, got {value!r}")
    return value


cdef bytes label_of(object models):
    return b"+".join(model.label for model in models)


@cython.final
cdef class Plan:
    def __init__(self, kind, models, *, probabilities=None, rule="majority", weights=None, thresholds=None,
                 observe_all_ratio=1.0, min_confidence=0.0, shadows=(), waits_for_all=False, plan_id=0, select=None,
                 sticky=False):
        if kind not in _KINDS:
            raise ValueError(f"unknown plan kind {kind!r}: expected one of {', '.join(map(repr, _KINDS))}")
        if not models:
            raise ValueError("a plan needs at least one model")
        if sticky and kind != "arms":
            raise ValueError(f"sticky belongs to a plan of kind 'arms', not {kind!r}")
        self.is_sticky = sticky
        given = {"probabilities": probabilities, "weights": weights, "thresholds": thresholds, "select": select}
        for name, value in given.items():
            if value is not None and kind != _OPTIONS_OF[name]:
                raise ValueError(f"{name} belongs to a plan of kind {_OPTIONS_OF[name]!r}, not {kind!r}")
        self.kind = kind
        self.plan_id = plan_id
        self.models = tuple(models)
        if len(self.models) > MAX_MEMBERS:
            raise ValueError(f"a plan holds at most {MAX_MEMBERS} models, got {len(self.models)}")
        self.waits_for_all = waits_for_all
        self.observe_all_ratio = ratio_of(observe_all_ratio, "observe_all_ratio")
        self.rule.min_confidence = ratio_of(min_confidence, "min_confidence")
        if kind == "members":
            self.set_members(rule, weights)
        elif kind == "cascade":
            self.set_stages(thresholds)
        else:
            if kind == "features" and not callable(select):
                raise ValueError(f"a plan of kind 'features' needs a select function, got {select!r}")
            self.select = select
            self.set_arms(probabilities)
        self.set_shadows(tuple(shadows))
        self.hold.plan = <void*>self
        self.hold.bytes = <uint32_t>(PLAN_BYTES + PLAN_MODEL_BYTES * (len(self.models) + len(self.shadows)))

    cdef int set_arms(self, object probabilities) except -1:
        cdef double total = 0.0
        cdef size_t arm
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
        arm = self.cumulative.size()
        while True:                            # rounding must not give an arm of no probability what is left to 1
            arm -= 1
            self.cumulative[arm] = 1.0
            if probabilities[arm] > 0.0:
                break
        self.members_label = b""
        self.is_arms = True
        self.rule.combine = CombineRule.Single
        self.member_count = self.member_room = 1
        return 0

    cdef int set_members(self, str rule, object weights) except -1:
        cdef vector[double] values
        if rule not in _RULES:
            raise ValueError(f"unknown combine rule {rule!r}: expected one of {sorted(_RULES)}")
        self.members_label = label_of(self.models)
        if len(set(self.models)) != len(self.models):
            raise ValueError(f"a model is twice among the members {self.members_label.decode()}")
        if weights is None and rule == "weighted":
            raise ValueError("the combine rule 'weighted' needs weights")
        if weights is not None and rule == "majority":
            raise ValueError("the combine rule 'majority' takes no weights: 'weighted' does")
        if weights is not None:
            if len(weights) != len(self.models):
                raise ValueError(f"{len(self.models)} members need as many weights, got {len(weights)}")
            for weight in weights:
                if not (isfinite(weight) and weight >= 0.0):
                    raise ValueError(f"a member's weight is a finite number of at least 0, got {weight!r}")
                values.push_back(weight)
            if not any(weights):
                raise ValueError("one of the members needs a weight above 0")
            self.rule.set_weights(values)
        # Votes are counted as the members of two or more come in.
        if rule != "mean" and len(self.models) == 1:
            self.rule.combine = CombineRule.Single
        else:
            self.rule.combine = <CombineRule><unsigned char>_RULES[rule]
        self.is_arms = False
        self.member_count = self.member_room = <uint16_t>len(self.models)
        return 0

    cdef int set_stages(self, object thresholds) except -1:
        thresholds = () if thresholds is None else thresholds
        self.members_label = label_of(self.models)
        if len(set(self.models)) != len(self.models):
            raise ValueError(f"a model is twice among the stages {self.members_label.decode()}")
        if len(thresholds) != len(self.models) - 1:
            raise ValueError(f"{len(self.models)} stages need {len(self.models) - 1} thresholds, got {len(thresholds)}")
        for threshold in thresholds:
            if not 0.0 <= threshold <= MAX_THRESHOLD:
                raise ValueError(f"a stage's threshold lies in 0..{MAX_THRESHOLD}, got {threshold!r}")
            self.rule.thresholds.push_back(threshold)
        self.rule.combine = CombineRule.Cascade
        self.is_arms = False
        self.member_count = 1
        self.member_room = <uint16_t>len(self.models)
        return 0

    cdef int set_shadows(self, tuple shadows) except -1:
        if len(self.models) + len(shadows) > MAX_MEMBERS:
            raise ValueError(f"a plan holds at most {MAX_MEMBERS} models, got {len(self.models)} "
                             f"and {len(shadows)} shadows")
        if len(set(shadows)) != len(shadows) or not set(shadows).isdisjoint(self.models):
            raise ValueError(f"a model is twice among {label_of(self.models).decode()} and the shadows "
                             f"{label_of(shadows).decode()}")
        self.shadows = shadows
        return 0

    cdef uint16_t draw(self, uint64_t random) noexcept nogil:
        """The arm for a uniform 64-bit random number."""
        cdef double point = unit_point(random)
        cdef uint16_t arm = 0
        while arm + 1 < self.cumulative.size() and point >= self.cumulative[arm]:
            arm += 1
        return arm

    cdef double propensity(self, uint16_t arm) noexcept nogil:
        return self.cumulative[arm] - (self.cumulative[arm - 1] if arm > 0 else 0.0)

    cdef bint draws_all(self, uint64_t random) noexcept nogil:
        """Whether the members of a query are all evaluated, for a uniform 64-bit random number."""
        return unit_point(random) < self.observe_all_ratio

    @property
    def min_confidence(self):
        """Outputs with less confidence are not given."""
        return self.rule.min_confidence

    def draw_arm(self, random):
        """The arm and its propensity for a uniform random integer in [0, 2**64)."""
        arm = self.draw(random)
        return arm, self.propensity(arm)
