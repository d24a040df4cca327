"""Bits per byte on the held-out packages.

Windows of 1,024 tokens, BOS in each, every 512 tokens; of a window the tokens that the window
before did not score count. Documents are the sections of pack.py, without marks.
"""

import numpy as np
import torch
import torch.nn.functional as F

import pack
import tokens

WINDOW = 1024
STRIDE = 512


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


@torch.no_grad()
def bits_per_byte(model, chosen, batch=4):
    """What the scored tokens of windows cost in bits, over the bytes they spell."""
    device = model.embedding.device
    ordered = sorted(chosen, key=lambda window: len(window[0]))
    nats = 0.0
    for start in range(0, len(ordered), batch):
        part = ordered[start : start + batch]
        width = max(len(ids) for ids, _, _ in part)
        table = np.full((len(part), width), tokens.PAD, dtype=np.int64)
        mask = np.zeros((len(part), width - 1), dtype=bool)
        for row, (ids, n_scored, _) in enumerate(part):
            table[row, : len(ids)] = ids
            mask[row, len(ids) - 1 - n_scored : len(ids) - 1] = True
        table = torch.from_numpy(table).to(device)
        logits = model(table[:, :-1]).float()
        each = F.cross_entropy(logits.transpose(1, 2), table[:, 1:], reduction="none")
        nats += float(each[torch.from_numpy(mask).to(device)].double().sum())
    return nats / np.log(2) / sum(n_bytes for _, _, n_bytes in chosen)
