"""Content ids, of one row and of many rows at once, and digests for random draws that depend on content alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_TEXT = pa.large_string()
_AT_ONCE = 4096  # rows


def content_id(*parts: object) -> str:
    """Return the 16-hex-digit id of a row from the values that make it what it is.

    >>> content_id("egoexo4d", "take", 3) == content_id("egoexo4d", "take", 3)
    True
    """
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).hexdigest()[:16]


def content_ids(*columns: str | np.ndarray | pa.Array | Iterable[str]) -> pa.Array:
    """Return the `content_id` of every row of some columns (as `digests` takes them), all at once.

    >>> content_ids("clip", ["a", "b"], np.array([0.5, 2.0]))[1].as_py() == content_id("clip", "b", 2.0)
    True
    """
    return hex_starts(digests(hashlib.sha256, *columns), of_bytes=32)


def digests(hashed: Callable, *columns: str | np.ndarray | pa.Array | Iterable[str]) -> bytes:
    """Return the digest of each row of some columns, concatenated; U+001F joins the texts of a row.

    Args:
        hashed: a constructor of `hashlib`.
        columns: at least one column: texts, or a float64 array, whose numbers are written as `str` writes them; a
            single text is for one that says the same in every row.

    Raises:
        pyarrow.ArrowInvalid: the columns are not of one length.
    """
    texts = [pa.scalar(each, _TEXT) if isinstance(each, str) else _texts(each) for each in columns]
    rows = pc.binary_join_element_wise(*texts, pa.scalar("\x1f", _TEXT)).cast(pa.large_binary())
    # some at a time: the objects of few rows need little memory, which the processor's cache holds
    some = (rows.slice(first, _AT_ONCE) for first in range(0, len(rows), _AT_ONCE))
    return b"".join([_joined_digests(hashed, each) for each in some])


def _joined_digests(hashed: Callable, rows: pa.Array) -> bytes:
    return b"".join([hashed(row).digest() for row in rows.to_numpy(zero_copy_only=False)])


def _texts(column: np.ndarray | pa.Array | Iterable[str]) -> pa.Array:
    is_number = isinstance(column, np.ndarray) and column.dtype == np.float64
    return _written(column) if is_number else pa.array(column, _TEXT)


def _written(numbers: np.ndarray) -> pa.Array:
    """Return each number as `str` writes it, shape [N]."""
    # Arrow writes 2.0 as 2, and begins to use exponents elsewhere than Python does
    size = np.abs(numbers)
    unlike = ~((size >= 1e-4) & (size < 1e10)) | (numbers == np.trunc(numbers))
    by_python = pa.array([*map(str, numbers[unlike].tolist())], _TEXT)
    return pc.replace_with_mask(pa.array(numbers).cast(_TEXT), pa.array(unlike), by_python)


def hex_starts(digested: bytes, *, of_bytes: int) -> pa.Array:
    """Return the first 16 hex digits of each digest.

    Args:
        digested: concatenated digests.
        of_bytes: length of one digest.
    """
    starts = np.frombuffer(digested, f"V{of_bytes}").astype("V8")
    # the text of all rows is written at once, and Arrow learns from `ends` where each id ends
    text = pa.py_buffer(starts.tobytes().hex().encode())
    ends = pa.py_buffer(np.arange(len(starts) + 1, dtype=np.int64) * 16)
    return pa.LargeStringArray.from_buffers(len(starts), ends, text).cast(pa.string())
