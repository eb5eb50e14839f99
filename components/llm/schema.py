"""JSON Schemas of answers: the part that is sent to a decoder, and the check of an answer against the whole."""

from __future__ import annotations

import json
from functools import lru_cache

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

# keywords that servers with strict decoding refuse; `check` holds an answer to them all the same
NOT_DECODED = {"uniqueItems", "contains", "minContains", "maxContains", "minLength", "maxLength", "pattern"}
_NAMES_BELOW = ("properties", "$defs")  # keys below these are names, not keywords
_VALUES = ("enum", "const", "default", "examples")  # what stands here is no schema


def decodable(schema: dict) -> dict:
    """Return the schema without the keywords that strict decoders refuse.

    >>> decodable({"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 2, "uniqueItems": True})
    {'type': 'array', 'items': {'type': 'string'}, 'minItems': 2}
    """

    def pruned(value: object, *, names: bool = False) -> object:
        if isinstance(value, list):
            return [pruned(item) for item in value]
        return pruned_object(value, names=names) if isinstance(value, dict) else value

    def pruned_object(value: dict, *, names: bool = False) -> dict:
        kept = value if names else {name: item for name, item in value.items() if name not in NOT_DECODED}
        return {
            name: item if name in _VALUES and not names else pruned(item, names=name in _NAMES_BELOW and not names)
            for name, item in kept.items()
        }

    return pruned_object(schema)


def read(text: str, schema: dict) -> object:
    """Parse an answer and check it against its schema.

    Raises:
        ValueError: no JSON, or JSON that the schema does not allow (names the first problem).
    """

    def refuse(constant: str) -> object:
        raise ValueError(f"{constant} is no JSON number")

    try:
        value = json.loads(text, parse_constant=refuse)
        # a lone surrogate is legal JSON but not text: no table could store it
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deep to be an answer") from error
    check(value, schema)
    return value


def check(value: object, schema: dict) -> None:
    """Check a value against a schema.

    Raises:
        ValueError: where the value differs first, and how.
        jsonschema.SchemaError: the schema itself is not valid.
    """
    if problem := next(iter(_validator(json.dumps(schema)).iter_errors(value)), None):
        raise ValueError(f"at {problem.json_path}: {problem.message[:300]}")


@lru_cache(maxsize=256)
def _validator(schema_json: str) -> Validator:
    schema = json.loads(schema_json)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)
