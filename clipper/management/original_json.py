"""Bodies of the original Clipper's admin calls: read as it read them, refused with its texts (json_util.cpp there)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from clipper.errors import CallerError

_INT32: Final = range(-(2**31), 2**31)
# What rapidjson says where Python's parser says something else.
_PARSER_TEXTS: Final = {
    "Expecting value": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Illegal trailing comma before end of array": "Invalid value.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Extra data": "The document root must not be followed by other values.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
    "Invalid control character at": "Invalid encoding in string.",
}


class OriginalError(CallerError):
    """A call of the original system is refused; the message is the whole answer."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of value: how it is checked, and how the schema in error texts and in the OpenAPI document name it."""

    name: str
    schema: Mapping[str, Any]
    check: Callable[[str, Any], None]


def _type_name(value: Any) -> str:
    """Return rapidjson's name for the type of a JSON value."""
    match value:
        case None:
            return "Null"
        case bool():
            return str(value)
        case dict():
            return "Object"
        case list():
            return "Array"
        case str():
            return "String"
    return "Number"


def _require(key: str, value: Any, expected: str) -> None:
    found = _type_name(value)
    if found != expected:
        raise ValueError(f"Type mismatch! JSON key {key} expected type {expected} but found type {found}")


def _check_string(key: str, value: Any) -> None:
    _require(key, value, "String")
    if not value.isascii() and value.encode("utf-8", "ignore").decode() != value:
        raise ValueError("JSON parse error: The surrogate pair in string is invalid.")


def _check_strings(key: str, value: Any) -> None:
    _require(key, value, "Array")
    for entry in value:
        if not isinstance(entry, str):
            raise ValueError(f"Array input of type {_type_name(entry)} is not of type string")
        _check_string(key, entry)


def _check_int(key: str, value: Any) -> None:
    _require(key, value, "Number")
    if not isinstance(value, int) or value not in _INT32:
        raise ValueError(f"Input of type Number for JSON key {key} is not of type int")


def _check_bool(key: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"Type mismatch! JSON key {key} expected type Bool but found type {_type_name(value)}")


STRING: Final = Kind("string", {"type": "string"}, _check_string)
STRINGS: Final = Kind("[string]", {"type": "array", "items": {"type": "string"}}, _check_strings)
INT: Final = Kind("int", {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}, _check_int)
BOOL: Final = Kind("bool", {"type": "boolean"}, _check_bool)
INPUT_TYPE: Final = Kind(
    '"integers" | "bytes" | "floats" | "doubles" | "strings"', {"type": "string"}, _check_string
)  # fmt: skip
Fields = Mapping[str, Kind]


def read_object(body: bytes, fields: Fields) -> dict[str, Any]:
    """Return the JSON object of a request; keys beside ``fields`` are ignored, as the original did.

    Raises
    ------
    OriginalError
        It is no JSON, or no object, or lacks a key, or a value is of another type: in this order.
    """
    try:
        document = _parse(body)
        if not isinstance(document, dict):
            raise ValueError("JSON schema invalid")
        for key, kind in fields.items():
            if key not in document:
                raise ValueError(f"JSON object does not have required key: {key}")
            kind.check(key, document[key])
    except ValueError as error:
        raise OriginalError(f"Error parsing JSON: {error}. Expected JSON schema: {schema_text(fields)}") from None
    return document


def schema_text(fields: Fields) -> str:
    """Return the schema as the original prints it in its errors."""
    rows = ",\n".join(f'   "{key}" := {kind.name}' for key, kind in fields.items())
    return f"\n  {{\n{rows}\n  }}\n"


def _parse(body: bytes) -> Any:
    if not body.strip():
        raise ValueError("JSON parse error: The document is empty. (offset 0)\n")
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        text = _PARSER_TEXTS.get(error.msg, f"{error.msg}.")
        raise ValueError(f"JSON parse error: {text} (offset {error.pos})\n") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"JSON parse error: Invalid encoding in string. (offset {error.start})\n") from None
    except RecursionError:
        raise ValueError("JSON parse error: the document is nested too deeply\n") from None


def _refuse_constant(name: str) -> Any:
    raise json.JSONDecodeError("Expecting value", name, 0)
