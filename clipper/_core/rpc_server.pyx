# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Sessions with containers: who is there, who may be given a batch, what came back."""

import logging

import cython
from libc.stdint cimport uint16_t, uint32_t

from clipper._core.finish_model cimport FinishModel
from clipper._core.in_flight cimport InFlightBatch
from clipper._core.rpc_codec import decode_register
from clipper._core.rpc_codec cimport (
    FrameView, RpcStatus, kRpcAssign, kRpcDrain, kRpcDuplicateReplica, kRpcError, kRpcFinal, kRpcHeartbeat,
    kRpcPredict, kRpcReady, kRpcRefused, kRpcRegister, kRpcResult, kRpcUnknownSession, kRpcWrongVersion,
    rpc_decode_cause, rpc_decode_header, rpc_decode_result, rpc_status_text,
)
from clipper._core.rpc_liveness cimport (
    LIVENESS_FINE, LIVENESS_GONE, LIVENESS_OVERDUE, LivenessVerdict, RpcLiveness,
)
from clipper._core.rpc_offences cimport OffenceLog
from clipper._core.rpc_session import SessionEvent, SessionState
from clipper._core.rpc_session cimport (
    EVENT_BATCH_ERROR, EVENT_DRAIN, EVENT_HEARTBEAT, EVENT_LEAVING, EVENT_LEFT, EVENT_LOST, EVENT_OVERDUE, EVENT_PROBE,
    EVENT_PROBED, EVENT_READY, EVENT_RECOVERED, EVENT_REGISTERED, EVENT_RESULT, EVENT_SILENT, STATE_CLOSED,
    STATE_DRAINING, STATE_LOADING, STATE_READY, STATE_SUSPECT, STATE_WARMING, next_state,
)
from clipper._core.rpc_transport cimport monotonic_us
from clipper.errors import ProtocolError

_log = logging.getLogger("clipper.frontend.rpc")

DEFAULT_HEARTBEAT_INTERVAL_US = 500_000
cdef enum:
    FADING = 10                # slowest_us loses a thousandth a look: at ten looks a second half of it in 70 s


cdef class ReplicaEvents:
    cdef int on_batch_result(self, Replica replica, InFlightBatch* batch, vector[ItemResult]& items,
                             uint64_t compute_us, uint64_t now_us) except -1:
        raise NotImplementedError

    cdef int on_batch_failed(self, Replica replica, InFlightBatch* batch, const string& cause,
                             uint64_t compute_us, uint64_t now_us) except -1:
        raise NotImplementedError

    cdef int on_replica_loaded(self, Replica replica, uint64_t now_us) except -1:
        raise NotImplementedError

    cdef int on_replica_ready(self, Replica replica, uint64_t now_us) except -1:
        raise NotImplementedError

    cdef int on_replica_lost(self, Replica replica, uint64_t now_us) except -1:
        raise NotImplementedError

    cdef ModelRuntime find_model(self, str name, str version):
        raise NotImplementedError

    cdef int on_messages_done(self, uint64_t now_us) except -1:
        raise NotImplementedError


@cython.final
cdef class RpcServer(RpcSender):
    def __init__(self, transports, ReplicaEvents events, listener, RpcLiveness liveness, *,
                 uint64_t heartbeat_interval_us=DEFAULT_HEARTBEAT_INTERVAL_US):
        super().__init__(transports)
        for transport in self.transports:
            transport.attach(self)
        self.events = events
        self.listener = listener
        self.heartbeat_interval_us = heartbeat_interval_us
        self.liveness = liveness
        self.replicas_by_id = {}
        self.offences = OffenceLog()

    def start(self, loop):
        """Serves on this loop."""
        for transport in self.transports:
            transport.start(loop)

    def close(self):
        """Tells every container to finish and leave, and closes the sockets."""
        cdef Replica replica
        for replica in list(self.replicas_by_id.values()):
            self.send_control(replica.transport, replica.identity, kRpcDrain, 0, None)
        for transport in self.transports:
            transport.close()

    # -- receiving ---------------------------------------------------------------------------------------------------

    cdef int handle_end(self, uint64_t now_us) except -1:
        self.events.on_messages_done(now_us)
        return self.catch_up(now_us)           # a message on one transport may have sent something on another

    cdef int handle_closed(self, RpcTransport transport, bytes identity) except -1:
        cdef Replica replica = transport.replicas.get(identity)
        if replica is None:
            return 0
        return self.lose(replica, "its connection was closed", monotonic_us())

    cdef int handle_offence(self, RpcTransport transport, bytes identity, str cause) except -1:
        """Somebody broke the rules, and its connection is being ended: it is not trusted with another batch."""
        cdef Replica replica = transport.replicas.get(identity)
        cdef uint64_t now_us = monotonic_us()
        cdef str who = transport.describe(identity)
        if replica is None:
            return self.offences.note(who, cause, now_us)
        self.offences.note(f"{replica.replica_id} ({who})", cause, now_us)
        return self.lose(replica, f"it broke the protocol: {cause}", now_us)

    cdef int handle_message(self, RpcTransport transport, bytes identity, bint too_many_frames) except -1:
        cdef Replica replica = transport.replicas.get(identity)
        cdef RpcHeader header
        cdef RpcStatus status = RpcStatus.BadFrames
        cdef uint64_t now_us = monotonic_us()
        if not too_many_frames and not transport.views.empty():
            status = rpc_decode_header(transport.views[0].data, transport.views[0].bytes, header)
        if status == RpcStatus.BadVersion:
            return self.refuse(transport, identity, kRpcWrongVersion,
                               f"this frontend speaks version 1, you speak {header.version}", now_us)
        if status != RpcStatus.Ok:
            return self.refuse(transport, identity, kRpcRefused, rpc_status_text(status).decode(), now_us)
        if replica is None:
            return self.handle_stranger(transport, identity, header, now_us)
        replica.last_seen_us = now_us
        self.handle_known(replica, header, now_us)
        if replica.session_state == STATE_SUSPECT and replica.owed_batch_id == 0:
            self.step(replica, EVENT_RECOVERED, "heard again")
            self.events.on_replica_ready(replica, now_us)
        return 0

    cdef int handle_known(self, Replica replica, RpcHeader& header, uint64_t now_us) except -1:
        """A message of a live session. What the session's table does not allow is a protocol error."""
        cdef int event
        if header.type == kRpcResult:
            event = EVENT_RESULT
        elif header.type == kRpcError:
            event = EVENT_BATCH_ERROR if header.batch_id != 0 else EVENT_LOST
        elif header.type == kRpcHeartbeat:
            event = EVENT_HEARTBEAT
        elif header.type == kRpcReady:
            event = EVENT_READY
        elif header.type == kRpcDrain:
            event = EVENT_LEFT if header.flags & kRpcFinal else EVENT_LEAVING
        elif header.type == kRpcRegister:
            event = EVENT_REGISTERED
        else:
            return self.refuse(replica.transport, replica.identity, kRpcRefused,
                               f"type {header.type} from a container", now_us)
        if next_state(replica.session_state, event) < 0:
            return self.refuse(
                replica.transport, replica.identity, kRpcRefused,
                f"{SessionEvent(event).name} is illegal in state {SessionState(replica.session_state).name}", now_us)
        if event == EVENT_RESULT:
            return self.handle_result(replica, header, now_us)
        if event == EVENT_BATCH_ERROR:
            return self.handle_batch_error(replica, header, now_us)
        if event == EVENT_LOST:
            return self.handle_session_error(replica, now_us)
        if event == EVENT_LEFT:
            return self.lose(replica, "it has drained", now_us)
        if event == EVENT_READY and replica.session_state == STATE_LOADING and (<ModelRuntime>replica.model).probe:
            self.step(replica, EVENT_PROBE, "")
            return self.events.on_replica_loaded(replica, now_us)
        if event == EVENT_REGISTERED:
            self.send_control(replica.transport, replica.identity, kRpcHeartbeat, 0, None)
        elif event == EVENT_LEAVING:           # it hears, after all that was sent before, that nothing more will come
            self.send_control(replica.transport, replica.identity, kRpcDrain, 0, None)
        self.step(replica, event, "it is leaving" if event == EVENT_LEAVING else "")
        if event == EVENT_READY:
            return self.events.on_replica_ready(replica, now_us)
        return 0

    cdef int refuse(self, RpcTransport transport, bytes identity, uint16_t code, str cause,
                    uint64_t now_us) except -1:
        """Tells the peer why, once, and ends its connection."""
        self.send_control(transport, identity, kRpcError, code, cause.encode("utf-8", "replace"))
        self.handle_offence(transport, identity, cause)
        return transport.end_peer(identity)

    # -- sessions ----------------------------------------------------------------------------------------------------

    cdef int step(self, Replica replica, int event, str reason) except -1:
        """Moves the session by its table; whoever listens hears of a new state."""
        cdef int state = next_state(replica.session_state, event)
        cdef ModelRuntime model = <ModelRuntime>replica.model
        if state < 0:
            raise ProtocolError(
                f"{SessionEvent(event).name} is illegal in state {SessionState(replica.session_state).name}")
        if state == replica.session_state:
            return 0
        replica.session_state = state
        model.ready_count += <int>(state == STATE_READY) - <int>replica.ready
        replica.ready = state == STATE_READY
        self.listener(replica.replica_id, model.name, model.version, replica.state, reason)
        return 0

    cdef int handle_stranger(self, RpcTransport transport, bytes identity, RpcHeader& header,
                             uint64_t now_us) except -1:
        if header.type == kRpcPredict or header.type == kRpcAssign:
            return self.refuse(transport, identity, kRpcRefused, f"type {header.type} from a container", now_us)
        if header.type != kRpcRegister:
            return self.send_control(transport, identity, kRpcError, kRpcUnknownSession, b"register first")
        try:
            if transport.views.size() != 2:
                raise ProtocolError("REGISTER carries one frame after its header")
            self.register(transport, identity,
                          decode_register(transport.views[1].data[:transport.views[1].bytes]), now_us)
        except ProtocolError as error:
            return self.refuse(transport, identity, kRpcRefused, str(error), now_us)
        return 0

    cdef int register(self, RpcTransport transport, bytes identity, object who, uint64_t now_us) except -1:
        cdef Replica known = self.replicas_by_id.get(who.replica_id)
        cdef ModelRuntime model = self.events.find_model(who.model, who.version)
        cdef Replica replica
        if model is None:
            # A frontend that has just started may hear the container before management: the container asks again.
            return self.send_control(transport, identity, kRpcError, kRpcUnknownSession,
                                     b"this model is not known here (yet)")
        if who.input_type != model.input_type:
            raise ProtocolError(
                f"{who.replica_id} takes {who.input_type!r}, but {model.model_id} takes {model.input_type!r}")
        if known is not None:
            if known.nonce != who.nonce and self.liveness.judge(known, now_us) in (LIVENESS_FINE, LIVENESS_OVERDUE):
                return self.refuse(transport, identity, kRpcDuplicateReplica,
                                   f"another live process has the replica id {who.replica_id}", now_us)
            self.lose(known, "its container connected again", now_us)
        replica = Replica(who.replica_id, who.nonce, transport, identity, model, model.new_controller(), FinishModel())
        replica.last_seen_us = now_us
        replica.free_since_us = now_us
        transport.replicas[identity] = replica
        self.replicas_by_id[replica.replica_id] = replica
        model.replicas.append(replica)
        self.send_control(transport, identity, kRpcHeartbeat, 0, None)     # "accepted"
        return self.step(replica, EVENT_REGISTERED, "")

    cdef int end_probe(self, Replica replica, str cause, uint64_t now_us) except -1:
        """The sample is evaluated: the replica gets queries; or, with a cause, it is told why it does not."""
        if replica.session_state == STATE_READY:           # it was ready before there was a sample
            return self.events.on_replica_ready(replica, now_us)
        if replica.session_state != STATE_WARMING:         # it is leaving already
            return 0
        if cause is None:
            self.step(replica, EVENT_PROBED, "")
            return self.events.on_replica_ready(replica, now_us)
        self.send_control(replica.transport, replica.identity, kRpcError, kRpcRefused, cause.encode())
        self.lose(replica, cause, now_us)
        return (<RpcTransport>replica.transport).end_peer(replica.identity)

    cdef int lose(self, Replica replica, str reason, uint64_t now_us) except -1:
        """The session is over: no more work for the replica, and its batch goes back to the queue."""
        cdef ModelRuntime model = <ModelRuntime>replica.model
        if replica.session_state == STATE_CLOSED:
            return 0
        del (<RpcTransport>replica.transport).replicas[replica.identity]
        if self.replicas_by_id.get(replica.replica_id) is replica:
            del self.replicas_by_id[replica.replica_id]
        model.replicas.remove(replica)
        self.step(replica, EVENT_LOST, reason)
        return self.events.on_replica_lost(replica, now_us)

    def replica_gone(self, str replica_id):
        """Its process has died, says who started it: faster than a missed heartbeat."""
        replica = self.replicas_by_id.get(replica_id)
        if replica is not None:
            self.lose(replica, "its process died", monotonic_us())
            self.handle_end(monotonic_us())

    def warm_ready(self, ModelRuntime model):
        """Has the ready replicas that have served nothing yet evaluate the model's sample, which is new."""
        cdef Replica replica
        cdef uint64_t now_us = monotonic_us()
        for replica in list(model.replicas):   # one that is gone is lost in the send
            if replica.session_state == STATE_READY and replica.batches == 0 and replica.in_flight.empty():
                self.events.on_replica_loaded(replica, now_us)
        self.events.on_messages_done(now_us)

    def drain_replica(self, str replica_id):
        """Asks a container to finish its batch and leave; the last ones of a model empty its queue first."""
        cdef Replica replica = self.replicas_by_id.get(replica_id)
        cdef ModelRuntime model
        if replica is None or replica.session_state == STATE_DRAINING:
            return
        model = <ModelRuntime>replica.model
        if replica.ready and (model.retired or model.ready_count == 1) and model.queue.depth() > 0:
            replica.drain_waits = True
            return
        self.drain(replica)
        self.catch_up(monotonic_us())

    cdef int drain(self, Replica replica) except -1:
        self.send_control(replica.transport, replica.identity, kRpcDrain, 0, None)
        return self.step(replica, EVENT_DRAIN, "asked to leave")

    cdef int drain_waiting(self, ModelRuntime model) except -1:
        """The model's queue is empty: those that stayed for it leave."""
        cdef Replica replica
        for replica in list(model.replicas):
            if replica.drain_waits and replica.session_state != STATE_DRAINING:
                self.drain(replica)
        return 0

    def tick(self, uint64_t now_us):
        """Silent and overdue replicas suspected, heartbeats sent if they are due. Called every look interval."""
        cdef Replica replica
        cdef RpcTransport transport
        cdef bint heard_all = True
        cdef bint is_beat = now_us >= self.beat_us + self.heartbeat_interval_us
        if is_beat:
            self.beat_us = now_us
        for transport in self.transports:      # it may be this process that was not running: first hear, then judge
            heard_all = transport.hear(now_us) and heard_all
        self.liveness.look(now_us)
        if heard_all:
            for replica in list(self.replicas_by_id.values()):
                self.judge(replica, now_us)
        for replica in list(self.replicas_by_id.values()):
            if is_beat and self.send_control(replica.transport, replica.identity, kRpcHeartbeat, 0, None) != 0:
                self.lose(replica, "its connection is gone", now_us)
            elif replica.drain_waits and (<ModelRuntime>replica.model).queue.depth() == 0:
                self.drain_waiting(<ModelRuntime>replica.model)    # its last tasks were dropped, not answered
        self.catch_up(now_us)
        self.events.on_messages_done(now_us)
        self.offences.tick(now_us)

    # -- liveness ----------------------------------------------------------------------------------------------------

    cdef int judge(self, Replica replica, uint64_t now_us) except -1:
        """Suspects a replica that is silent or overdue, by the session's table: it gets no more work."""
        cdef LivenessVerdict verdict = self.liveness.judge(replica, now_us)
        cdef bint was_ready = replica.ready
        replica.slowest_us -= replica.slowest_us >> FADING
        if verdict == LIVENESS_FINE:
            return 0
        if verdict == LIVENESS_OVERDUE:
            self.step(replica, EVENT_OVERDUE, f"it has had its batch for {replica.held_us(now_us) / 1e6:.1f} s")
        else:
            reason = f"it was silent for {(now_us - replica.last_seen_us) / 1e6:.1f} s"
            if verdict == LIVENESS_GONE and replica.session_state == STATE_SUSPECT:
                return self.lose(replica, reason, now_us)
            self.step(replica, EVENT_SILENT, reason)
        return self.give_up_batches(replica, verdict == LIVENESS_OVERDUE, now_us) if was_ready else 0

    cdef int give_up_batches(self, Replica replica, bint is_overdue, uint64_t now_us) except -1:
        """Others may still answer its batches in time. It gets no other until it has answered these, or is replaced.

        Whatever it says of them comes too late for the queries, and must not be taken for an answer to another.
        """
        replica.owed_batch_id = 0
        if not replica.in_flight.empty():      # answers come in order: that to the last one ends it all
            replica.owed_batch_id = replica.in_flight.at(replica.in_flight.size() - 1).id
            replica.owed_since_us = now_us - replica.held_us(now_us) if is_overdue else 0
        return self.events.on_replica_lost(replica, now_us)

    # -- results -----------------------------------------------------------------------------------------------------

    cdef int handle_result(self, Replica replica, RpcHeader& header, uint64_t now_us) except -1:
        cdef string cause
        cdef vector[FrameView]* views = &(<RpcTransport>replica.transport).views
        cdef RpcStatus status
        cdef InFlightBatch* batch = replica.in_flight.find(header.batch_id)
        if batch == NULL:
            return self.handle_late(replica, header.batch_id, now_us)
        status = rpc_decode_result(header, views.data() + 1, views.size() - 1, <uint32_t>batch.slots.size(),
                                   self.items, cause)
        if status != RpcStatus.Ok:
            return self.events.on_batch_failed(replica, batch, cause, header.compute_us, now_us)
        return self.events.on_batch_result(replica, batch, self.items, header.compute_us, now_us)

    cdef int handle_late(self, Replica replica, uint64_t batch_id, uint64_t now_us) except -1:
        """An answer to a batch that was given up: its queries have been answered, or are with another replica.

        It says when the next one began.
        """
        self.late_results += 1
        replica.free_since_us = now_us
        if batch_id != 0 and batch_id == replica.owed_batch_id:
            replica.owed_batch_id = 0
            if replica.owed_since_us != 0:     # slow, not broken: the next time it is waited for
                replica.slowest_us = max(replica.slowest_us, now_us - replica.owed_since_us)
        return 0

    cdef int handle_batch_error(self, Replica replica, RpcHeader& header, uint64_t now_us) except -1:
        cdef string cause
        cdef vector[FrameView]* views = &(<RpcTransport>replica.transport).views
        cdef InFlightBatch* batch = replica.in_flight.find(header.batch_id)
        if batch == NULL:
            return self.handle_late(replica, header.batch_id, now_us)
        if rpc_decode_cause(views.data() + 1, views.size() - 1, cause) != RpcStatus.Ok:
            cause = b"the container gave no cause"
        return self.events.on_batch_failed(replica, batch, cause, header.compute_us, now_us)

    cdef int handle_session_error(self, Replica replica, uint64_t now_us) except -1:
        cdef string cause
        cdef vector[FrameView]* views = &(<RpcTransport>replica.transport).views
        rpc_decode_cause(views.data() + 1, views.size() - 1, cause)
        return self.lose(replica, f"it gave up: {cause.decode('utf-8', 'replace')}", now_us)
