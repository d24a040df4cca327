"""Bits per byte on the held-out packages.

Windows of 1,024 tokens, BOS in each, every 512 tokens; of a window the tokens that the window
before did not score count. Documents are the sections of pack.py, without marks.
"""

import zlib

import numpy as np
import torch
import torch.nn.functional as F

import pack
import tokens

WINDOW = 1024
STRIDE = 512
FILE_TOKENS = 2048  # half of the long context


def windows(ids):
    """Yields (token ids of a window with BOS in front, how many of its last tokens it scores)."""
    start, scored = 0, 0
    while scored < len(ids):
        end = min(start + WINDOW - 1, len(ids))
        yield np.append(np.uint16(tokens.BOS), ids[start:end]), end - scored
        scored, start = end, start + STRIDE


def held_out_windows(run, tokenizer, about=None):
    """[(token ids, n_scored, bytes scored)] of the held-out text: all windows, or about as many."""
    chosen = []
    for section in pack.streams(tokens.read_records(run / "corpus/held_out.jsonl")):
        text = section.text
        encoding = tokenizer.encode(text)
        offsets, at = encoding.offsets, 0
        for window, n_scored in windows(np.array(encoding.ids, dtype=np.uint16)):
            first, last = offsets[at][0], offsets[at + n_scored - 1][1]
            chosen.append((window, n_scored, len(text[first:last].encode())))
            at += n_scored
    return chosen[:: max(len(chosen) // about, 1)] if about else chosen


def excerpts(run, n_chars):
    """Of each held-out section whole lines, about n_chars from where its name decides; 0: all."""
    found = []
    for section in pack.streams(tokens.read_records(run / "corpus/held_out.jsonl")):
        text = section.text
        if n_chars and len(text) > n_chars:
            start = zlib.crc32(section.name.encode()) % (len(text) - n_chars + 1)
            start = text.rfind("\n", 0, start) + 1
            text = text[start : text.rfind("\n", start, start + n_chars) + 1]
        if text.strip():
            found.append(text)
    return found


def file_beginnings(run, tokenizer, count):
    """[(token ids, n_scored, bytes scored)]: BOS, FILE_TOKENS of the files before a file, in
    dependency order, and as many of the file, which count; `count` of all that are long enough."""
    found = []
    for section in pack.streams(tokens.read_records(run / "corpus/held_out.jsonl")):
        encodings = tokenizer.encode_batch(section.files)
        before = []
        for encoding in encodings:
            ids = encoding.ids[:FILE_TOKENS]
            if len(before) >= FILE_TOKENS and len(ids) == FILE_TOKENS:
                window = np.array([tokens.BOS] + before[1 - FILE_TOKENS :] + ids, dtype=np.uint16)
                n_bytes = len(tokenizer.decode(ids).encode())
                found.append((window, FILE_TOKENS, n_bytes))
            before = (before + encoding.ids)[-FILE_TOKENS:]
    return found[:: max(len(found) // count, 1)][:count]


def bits_per_byte(model, chosen, batch=4):
    """What the scored tokens of windows cost in bits, over the bytes they spell."""
    total = sum(nats(model, chosen, batch))
    return total / np.log(2) / sum(n_bytes for _, _, n_bytes in chosen)


@torch.no_grad()
def nats(model, chosen, batch=4):
    """What the scored tokens of each window cost."""
    device = model.embedding.device
    order = sorted(range(len(chosen)), key=lambda i: len(chosen[i][0]))
    costs = [0.0] * len(chosen)
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        width = max(len(chosen[i][0]) for i in part)
        table = np.full((len(part), width), tokens.PAD, dtype=np.int64)
        mask = np.zeros((len(part), width - 1), dtype=bool)
        for row, i in enumerate(part):
            ids, n_scored, _ = chosen[i]
            table[row, : len(ids)] = ids
            mask[row, len(ids) - 1 - n_scored : len(ids) - 1] = True
        table = torch.from_numpy(table).to(device)
        logits = model(table[:, :-1]).float()
        each = F.cross_entropy(logits.transpose(1, 2), table[:, 1:], reduction="none")
        each = (each * torch.from_numpy(mask).to(device)).double().sum(dim=1)
        for i, cost in zip(part, each.tolist()):
            costs[i] = cost
    return costs
