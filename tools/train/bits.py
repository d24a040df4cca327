"""Bits per byte of documents, in PyTorch and in Lemnos: the same windows, one by one."""

import dataclasses
import json
import math
import pathlib
import subprocess
import tempfile

import numpy as np

import measure


@dataclasses.dataclass
class Score:
    """Of one document: [(tokens, nats)] of its windows, and the bytes they spell."""

    windows: list
    n_bytes: int


def per_byte(scores):
    nats = sum(nats for score in scores for _, nats in score.windows)
    return nats / math.log(2) / sum(score.n_bytes for score in scores)


def by_pytorch(model, tokenizer, documents):
    scores, flat = [], []
    for text in documents:
        ids = np.array(tokenizer.encode(text).ids, dtype=np.uint16)
        windows = [(window, n, 0) for window, n in measure.windows(ids)]
        scores.append(Score([n for _, n, _ in windows], len(text.encode())))
        flat += windows
    nats = iter(measure.nats(model, flat))
    for score in scores:
        score.windows = [(n, next(nats)) for n in score.windows]
    return scores


def by_lemnos(lemnos, gguf, documents):
    options = ["-c", str(measure.WINDOW), "--stride", str(measure.STRIDE), "--kv", "f32", "--json"]
    scores = []
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "document.py"
        for text in documents:
            path.write_bytes(text.encode())
            command = [lemnos, "perplexity", "-m", str(gguf), *options, str(path)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            said = json.loads(done.stdout)
            windows = [(window["tokens"], window["nll"]) for window in said["windows"]]
            scores.append(Score(windows, said["bytes"]))
    return scores


def check_same(ours, theirs):
    """That both have scored as many tokens in each window, and as many bytes."""
    for a, b in zip(ours, theirs, strict=True):
        counts = [[n for n, _ in score.windows] for score in (a, b)]
        if counts[0] != counts[1] or a.n_bytes != b.n_bytes:
            raise SystemExit(
                f"other windows: {counts[0]}, {a.n_bytes} and {counts[1]}, {b.n_bytes}"
            )
