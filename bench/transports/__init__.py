"""How replicas in Docker are reached: by a mounted socket directory, or by TCP with keys, beside a process's socket."""
