# The frontend's view of one container session: a pure state table. rpc_session.pyx holds it as data.

cdef enum SessionStateCode:
    STATE_AWAITING_REGISTER = 0     # a connection that has not said who it is
    STATE_LOADING = 1               # registered; the model is being loaded
    STATE_WARMING = 2               # loaded; it evaluates a sample before any query
    STATE_READY = 3                 # takes batches
    STATE_DRAINING = 4              # gets no new batch; what it holds is awaited
    STATE_SUSPECT = 5               # silent, or holds a batch far too long: gets no new batch
    STATE_CLOSED = 6                # over; its batches are requeued
    STATE_COUNT = 7

cdef enum SessionEventCode:
    EVENT_REGISTERED = 0            # a valid REGISTER came, and was answered with a HEARTBEAT
    EVENT_READY = 1                 # READY came
    EVENT_HEARTBEAT = 2             # HEARTBEAT came
    EVENT_RESULT = 3                # RESULT came
    EVENT_BATCH_ERROR = 4           # ERROR about a batch came
    EVENT_LEAVING = 5               # DRAIN came: the container wants no new batch
    EVENT_LEFT = 6                  # DRAIN with FINAL came: all is answered
    EVENT_DRAIN = 7                 # this side sent DRAIN (or ASSIGN)
    EVENT_SILENT = 8                # nothing was heard for the silence limit
    EVENT_OVERDUE = 9               # a batch is out far beyond its predicted time
    EVENT_RECOVERED = 10            # what made it suspect is over: heard again, and nothing overdue
    EVENT_LOST = 11                 # its process died, it was replaced, or it was given up
    EVENT_PROBE = 12                # READY came, and there is a sample to be evaluated first
    EVENT_PROBED = 13               # the sample is evaluated
    EVENT_COUNT = 14

# The next state, or -1 where the event is illegal.
cdef int next_state(int state, int event) noexcept nogil
