from typing_extensions import disjoint_base

@disjoint_base
class QueryFollower:
    """Who is told of a query that no client asked; implemented in compiled code (query_follower.pxd)."""
