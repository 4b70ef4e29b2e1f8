from typing import final

@final
class UpdateBody:
    """What feedback is about, and what it says; made by `parse_update_body` only.

    Attributes
    ----------
    query_id : int or None
        None: the feedback is about the input that the body holds.
    label : bytes or None
        JSON, as written.
    reward : float or None
        0 to 1; None: there is a label.
    """

    @property
    def query_id(self) -> int | None: ...
    @property
    def label(self) -> bytes | None: ...
    @property
    def reward(self) -> float | None: ...

def parse_update_body(body: bytes, *, max_label_bytes: int = 65_536, max_depth: int = 256) -> UpdateBody:
    """Parse the body of ``POST /<app>/update``; an input is stepped over.

    Raises
    ------
    BodyError
        The body is refused, with a code of ``update_body.hpp`` or ``predict_body.hpp``.
    """
