"""The order of texts, by words of eight bytes: numbers are put in order several times faster than texts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from darkmarket_estimates.engines.kernels import blocks

_WORD = 8
#: Longer texts are compared as they are: each word of the longest one is a column of numbers.
_LONGEST = 40


def text_order(texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Positions of texts in the order of their bytes, which is that of Python's strings; equal ones as they stand.

    Parameters
    ----------
    texts : pyarrow.Array or pyarrow.ChunkedArray of n strings
        Without nulls.

    Returns
    -------
    int array of shape (n,)
    """
    chunks = [_letters(chunk) for chunk in (texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]) if len(chunk)]
    longest = max((int(np.diff(edges).max()) for edges, _ in chunks), default=0)
    # with NULs at its end, a text has the words of the text without
    if longest > _LONGEST or not all(letters.all() for _, letters in chunks):
        return pc.sort_indices(texts).to_numpy()
    words = np.empty((max(1, -(-longest // _WORD)), len(texts)), dtype=np.uint64)
    done = 0
    for edges, letters in chunks:
        for rows in blocks(len(edges) - 1):
            some = edges[rows.start:rows.stop + 1]
            _spell(some, letters, words[:, done:done + len(some) - 1])
            done += len(some) - 1
    digits = [*_digits(words)]
    return np.lexsort(digits) if digits else np.arange(len(texts))


def _digits(words: np.ndarray) -> Iterator[np.ndarray]:
    """Two bytes of all texts, from the last ones on, without those that are the same in all.

    NumPy counts numbers so short, and compares longer ones, which takes longer.
    """
    for word in words[::-1]:
        varying = int(np.bitwise_or.reduce(word) ^ np.bitwise_and.reduce(word))
        for i, digit in enumerate(word.astype("<u8", copy=False).view("<u2").reshape(-1, _WORD // 2).T):
            if varying >> 16 * i & 0xFFFF:
                yield digit


def _letters(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Where each text begins and the last one ends, and the bytes of all."""
    _, edges, letters = texts.buffers()
    edges = np.frombuffer(edges, dtype=np.int64 if pa.types.is_large_string(texts.type) else np.int32)
    edges = edges[texts.offset:texts.offset + len(texts) + 1]
    return edges - edges[0], np.frombuffer(letters or b"", dtype=np.uint8)[edges[0]:edges[-1]]


def _spell(edges: np.ndarray, letters: np.ndarray, words: np.ndarray) -> None:
    """Write the words of some texts; what is beyond the end of a text is zero."""
    mine = np.concatenate([letters[edges[0]:edges[-1]], np.zeros(_LONGEST + _WORD, dtype=np.uint8)])
    word_at = np.ndarray(len(mine) - _WORD + 1, dtype=">u8", buffer=mine.data, strides=(1,))
    starts, length = edges[:-1] - edges[0], np.diff(edges)
    for i, word in enumerate(words):
        left = length - i * _WORD
        beyond = (8 * np.clip(_WORD - left, 0, _WORD - 1)).astype(np.uint64)
        word[:] = np.where(left > 0, word_at[starts + i * _WORD] >> beyond << beyond, 0)
