"""What is said of those who break the rules of the protocol: all are counted, and so many a second are named."""

from typing import final

OFFENCES_PER_SECOND: int

@final
class OffenceLog:
    """Kept by `RpcServer`; its methods exist in Cython alone."""

    total: int
