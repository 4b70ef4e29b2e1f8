"""Who may talk to Clipper: tokens, certificates and keys, read from files that only their owner can read."""
