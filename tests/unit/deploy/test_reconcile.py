"""`reconcile`, case by case: who goes first, what is late, and when to look again."""

from __future__ import annotations

from clipper.deploy.reconcile import Decision, ReplicaState, ReplicaView, Start, Stop, reconcile
from clipper.types import ModelId

SVM = ModelId("svm", "1")
LIMIT_US = 1_000
GRACE_US = 100


def view(index: int, state: ReplicaState = ReplicaState.READY, since_us: int = 0) -> ReplicaView:
    return ReplicaView(SVM, index, state, since_us)


def decide(wanted: int, *replicas: ReplicaView, now_us: int = 0, frontend_since_us: int | None = 0) -> Decision:
    return reconcile({SVM: wanted} if wanted else {}, replicas, {}, now_us, LIMIT_US, GRACE_US, frontend_since_us)


def test_missing_replicas_start_under_the_lowest_free_indexes() -> None:
    assert decide(3, view(1)).actions == (Start(SVM, 0), Start(SVM, 2))


def test_index_of_a_stopping_replica_is_not_given_away() -> None:
    assert decide(1, view(0, ReplicaState.STOPPING)).actions == (Start(SVM, 1),)


def test_scaling_down_stops_those_least_far_on_then_the_newest() -> None:
    replicas = [view(0), view(1), view(2, ReplicaState.LOADING), view(3, ReplicaState.STARTING)]
    assert decide(1, *replicas).actions == (Stop(SVM, 3), Stop(SVM, 2), Stop(SVM, 1))


def test_version_that_is_not_wanted_is_stopped_whole() -> None:
    assert set(decide(0, view(0), view(1, ReplicaState.SUSPECT)).actions) == {Stop(SVM, 0), Stop(SVM, 1)}


def test_replica_is_late_one_tick_past_the_limit_and_not_before() -> None:
    starting = view(0, ReplicaState.STARTING, since_us=100)
    assert decide(1, starting, now_us=100 + LIMIT_US - 1) == Decision((), wake_us=100 + LIMIT_US)
    assert decide(1, starting, now_us=100 + LIMIT_US).actions == (Stop(SVM, 0, is_failure=True),)


def test_nobody_is_late_without_a_frontend_to_register_with() -> None:
    starting = view(0, ReplicaState.STARTING, since_us=100)
    assert decide(1, starting, now_us=10 * LIMIT_US, frontend_since_us=None) == Decision((), None)
    late_us = 5_000 + LIMIT_US
    assert decide(1, starting, now_us=late_us - 1, frontend_since_us=5_000) == Decision((), late_us)
    assert decide(1, starting, now_us=late_us, frontend_since_us=5_000).actions != ()


def test_suspect_gets_a_replacement_when_its_grace_is_over_and_not_a_tick_before() -> None:
    suspect = view(0, ReplicaState.SUSPECT, since_us=50)
    assert decide(1, suspect, now_us=50 + GRACE_US - 1) == Decision((), wake_us=50 + GRACE_US)
    assert decide(1, suspect, now_us=50 + GRACE_US).actions == (Start(SVM, 1),)


def test_suspect_goes_when_its_replacement_is_ready_and_it_was_kept_for_long_enough() -> None:
    suspect = ReplicaView(SVM, 0, ReplicaState.SUSPECT, since_us=50, keep_us=500)
    assert decide(1, suspect, view(1, ReplicaState.LOADING), now_us=600).actions == ()
    assert decide(1, suspect, view(1), now_us=549) == Decision((), wake_us=550)
    assert decide(1, suspect, view(1), now_us=550).actions == (Stop(SVM, 0),)


def test_suspect_that_recovers_before_its_replacement_is_ready_stays_and_the_other_goes() -> None:
    assert decide(1, view(0), view(1, ReplicaState.LOADING), now_us=200).actions == (Stop(SVM, 1),)


def test_suspect_of_a_version_that_is_not_wanted_goes_at_once() -> None:
    suspect = ReplicaView(SVM, 0, ReplicaState.SUSPECT, since_us=50, keep_us=500)
    assert decide(0, suspect, now_us=51).actions == (Stop(SVM, 0),)


def test_suspects_do_not_pile_up() -> None:
    suspects = [view(index, ReplicaState.SUSPECT, since_us=index) for index in range(3)]
    assert Stop(SVM, 0) in decide(1, *suspects).actions
    assert Stop(SVM, 1) in decide(1, *suspects).actions
    assert Stop(SVM, 2) not in decide(1, *suspects).actions


def test_late_replica_is_replaced_only_when_it_is_gone_and_its_failure_counted() -> None:
    late = ReplicaView(SVM, 0, ReplicaState.STOPPING, 0, was_late=True)
    assert decide(1, late).actions == ()
    assert decide(2, late).actions == (Start(SVM, 1),)


def test_nobody_is_stopped_while_no_frontend_can_be_told() -> None:
    assert decide(1, view(0), view(1), frontend_since_us=None) == Decision((), None)
    assert decide(0, view(0), frontend_since_us=None).actions == ()
    assert decide(2, view(0), frontend_since_us=None).actions == (Start(SVM, 1),)
