"""The small process that spawns, watches and restarts all others, and owns the listening sockets."""
