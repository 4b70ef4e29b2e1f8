"""`reconcile`: converges from any state, does nothing when there is nothing to do, and never does too much."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from clipper.deploy.reconcile import ReplicaState, ReplicaView, Restraint, Start, Stop, reconcile
from clipper.types import ModelId

MODELS = [ModelId("svm", "1"), ModelId("svm", "2"), ModelId("tree", "1")]
READY_LIMIT_US = 1_000
NOW_US = 10_000

desired_states = st.dictionaries(st.sampled_from(MODELS), st.integers(1, 4))
replica_sets = st.dictionaries(
    st.tuples(st.sampled_from(MODELS), st.integers(0, 6)),
    st.tuples(st.sampled_from(ReplicaState), st.integers(NOW_US - 2 * READY_LIMIT_US, NOW_US)),
    max_size=10,
).map(lambda found: [ReplicaView(model, index, state, since_us) for (model, index), (state, since_us) in found.items()])


class World:
    """Carries out decisions at once: what is started becomes ready, what is stopped is gone."""

    def __init__(self, replicas: list[ReplicaView]) -> None:
        self.replicas = {(replica.model_id, replica.index): replica for replica in replicas}
        self.now_us = NOW_US

    def step(self, desired: dict[ModelId, int]) -> int:
        decision = reconcile(desired, list(self.replicas.values()), {}, self.now_us, READY_LIMIT_US, 0)
        for action in decision.actions:
            key = (action.model_id, action.index)
            if isinstance(action, Start):
                assert key not in self.replicas, "an index in use was given away"
                self.replicas[key] = ReplicaView(*key, ReplicaState.STARTING, self.now_us)
            else:
                assert self.replicas[key].state is not ReplicaState.STOPPING, "stopped twice"
                del self.replicas[key]
        return len(decision.actions)

    def pass_time(self) -> None:
        """Everything that was stopping is gone, everything on its way is ready."""
        self.now_us += 10
        for key, replica in list(self.replicas.items()):
            if replica.state is ReplicaState.STOPPING:
                del self.replicas[key]
            elif replica.state in (ReplicaState.STARTING, ReplicaState.LOADING):
                self.replicas[key] = ReplicaView(*key, ReplicaState.READY, self.now_us)


@settings(max_examples=150, deadline=None)
@given(desired_states, replica_sets)
def test_reconcile_converges_from_any_state_and_then_rests(
    desired: dict[ModelId, int], replicas: list[ReplicaView]
) -> None:
    world = World(replicas)
    for _ in range(6):
        world.step(desired)
        world.pass_time()
    counts = dict.fromkeys(MODELS, 0)
    for replica in world.replicas.values():
        assert replica.state is ReplicaState.READY
        counts[replica.model_id] += 1
    assert counts == {model_id: desired.get(model_id, 0) for model_id in MODELS}
    assert world.step(desired) == 0


@settings(max_examples=150, deadline=None)
@given(desired_states, replica_sets)
def test_reconcile_decided_twice_does_nothing_the_second_time(
    desired: dict[ModelId, int], replicas: list[ReplicaView]
) -> None:
    """Carrying out a decision leaves nothing to decide until something else changes."""
    first = reconcile(desired, replicas, {}, NOW_US, READY_LIMIT_US, None)
    after = {(replica.model_id, replica.index): replica for replica in replicas}
    for action in first.actions:
        state = ReplicaState.STARTING if isinstance(action, Start) else ReplicaState.STOPPING
        after[action.model_id, action.index] = ReplicaView(action.model_id, action.index, state, NOW_US)
    assert reconcile(desired, list(after.values()), {}, NOW_US, READY_LIMIT_US, None).actions == ()


@settings(max_examples=150, deadline=None)
@given(desired_states, replica_sets)
def test_reconcile_never_starts_and_stops_healthy_replicas_of_one_model(
    desired: dict[ModelId, int], replicas: list[ReplicaView]
) -> None:
    states = {(replica.model_id, replica.index): replica.state for replica in replicas}
    decision = reconcile(desired, replicas, {}, NOW_US, READY_LIMIT_US, None)
    started = {action.model_id for action in decision.actions if isinstance(action, Start)}
    stopped = {
        action.model_id
        for action in decision.actions
        if isinstance(action, Stop) and states[action.model_id, action.index] is not ReplicaState.SUSPECT
    }
    assert not started & stopped
    assert started <= desired.keys()


@settings(max_examples=100, deadline=None)
@given(desired_states, replica_sets, st.integers(0, 2 * NOW_US), st.booleans())
def test_restrained_models_are_not_started(
    desired: dict[ModelId, int], replicas: list[ReplicaView], not_before_us: int, is_quarantined: bool
) -> None:
    restraints = {model_id: Restraint(not_before_us, is_quarantined) for model_id in MODELS}
    decision = reconcile(desired, replicas, restraints, NOW_US, READY_LIMIT_US, None)
    starts = [action for action in decision.actions if isinstance(action, Start)]
    if is_quarantined or not_before_us > NOW_US:
        assert not starts
        free = reconcile(desired, replicas, {}, NOW_US, READY_LIMIT_US, None)
        if not is_quarantined and any(isinstance(action, Start) for action in free.actions):
            assert decision.wake_us == not_before_us
    else:
        assert decision == reconcile(desired, replicas, {}, NOW_US, READY_LIMIT_US, None)
