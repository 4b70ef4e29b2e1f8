"""The original's own management calls, ``POST /admin/<call>``: their answers and error texts are the server's."""

from __future__ import annotations

import json
from typing import Any

from clipper.admin.exceptions import status_error, told_as_original
from clipper.client.clipper import Clipper


def call(clipper: Clipper, call_name: str, /, **values: Any) -> str:
    """Make one call and return the text of its answer.

    Raises
    ------
    ClipperException
        It was not answered with 200; the text of the answer is in the message.
    """
    with told_as_original():
        status, text = clipper.exchange("POST", f"/admin/{call_name}", values)
    if status != 200:
        raise status_error(status, text)
    return text


def ask(clipper: Clipper, call_name: str, /, **values: Any) -> Any:
    """Make one call whose answer is JSON, and return the value."""
    return json.loads(call(clipper, call_name, **values))
