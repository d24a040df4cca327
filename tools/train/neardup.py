"""Near-duplicates by MinHash, over 5-grams of words; a sample is a whole package, or one file."""

import re
import zlib

import numpy as np

N_PERMUTATIONS = 128
N_GRAM = 5
THRESHOLD = 0.7  # of the estimated Jaccard index, StarCoder's

_random = np.random.default_rng(20240125)
_FACTORS = _random.integers(1, 1 << 63, N_PERMUTATIONS, dtype=np.uint64)
_FACTORS = _FACTORS * np.uint64(2) + np.uint64(1)  # odd
_OFFSETS = _random.integers(0, 1 << 63, N_PERMUTATIONS, dtype=np.uint64)
_BASE = np.uint64(0x9E3779B97F4A7C15)
_WORD = re.compile(r"\w+")


def shingles(text):
    """Hashes of its 5-grams, each once: u64 [n]."""
    words = [zlib.crc32(word.encode()) for word in _WORD.findall(text)]
    codes = np.array(words or [0], dtype=np.uint64)
    n = max(len(codes) - N_GRAM + 1, 1)
    hashes = np.zeros(n, dtype=np.uint64)
    for i in range(min(N_GRAM, len(codes))):
        hashes = hashes * _BASE + codes[i : i + n]
    hashes ^= hashes >> np.uint64(29)
    return np.unique(hashes * _BASE)


def signature(text):
    """u32 [N_PERMUTATIONS]: the least of each permutation, by multiply-shift hashing."""
    hashes = shingles(text)
    least = np.full(N_PERMUTATIONS, np.iinfo(np.uint32).max, dtype=np.uint32)
    for start in range(0, len(hashes), 4096):
        part = hashes[start : start + 4096, None] * _FACTORS + _OFFSETS
        least = np.minimum(least, (part >> np.uint64(32)).astype(np.uint32).min(axis=0))
    return least


def similarity(a, b):
    """Estimated Jaccard index of one signature with another, or with each row of many."""
    return np.mean(a == b, axis=-1)


def duplicates_of(signatures, references):
    """Of each row of `signatures`, whether it is a near-duplicate of a row of `references`."""
    if len(references) == 0:
        return np.zeros(len(signatures), dtype=bool)
    references = np.stack(references)
    return np.array([similarity(s, references).max() >= THRESHOLD for s in signatures], dtype=bool)


def repeated(signatures):
    """Of each sample, whether it is a near-duplicate of one before it that stays."""
    kept, found = [], []
    for one in signatures:
        found.append(bool(kept) and similarity(one, np.stack(kept)).max() >= THRESHOLD)
        if not found[-1]:
            kept.append(one)
    return found
