"""Content ids, of one row and of many rows at once, and digests for random draws that depend on content alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def content_id(*parts: object) -> str:
    """Return the 16-hex-digit id of a row from the values that make it what it is.

    >>> content_id("egoexo4d", "take", 3) == content_id("egoexo4d", "take", 3)
    True
    """
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).hexdigest()[:16]


def content_ids(*columns: str | pa.Array | Iterable[str]) -> pa.Array:
    """Return the `content_id` of every row of some text columns (as `digests` takes them), all at once.

    >>> content_ids("clip", ["a", "b"], ["x", "y"])[1].as_py() == content_id("clip", "b", "y")
    True
    """
    return hex_starts(digests(hashlib.sha256, *columns), of_bytes=32)


def digests(hashed: Callable, *columns: str | pa.Array | Iterable[str]) -> bytes:
    """Return the digest of each row of some text columns, concatenated; U+001F joins the texts of a row.

    Args:
        hashed: a constructor of `hashlib`.
        columns: at least one column; a text is for one that says the same in every row.

    Raises:
        pyarrow.ArrowInvalid: the columns are not of one length.
    """
    kind = pa.large_string()
    texts = [pa.scalar(each, kind) if isinstance(each, str) else pa.array(each, kind) for each in columns]
    rows = pc.binary_join_element_wise(*texts, pa.scalar("\x1f", kind)).cast(pa.large_binary())
    return b"".join([hashed(row).digest() for row in rows.to_numpy(zero_copy_only=False)])


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
