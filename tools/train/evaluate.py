#!/usr/bin/env python3
"""Measures a base model on the held-out packages.

    python evaluate.py RUN_FOLDER MODEL.pt [--windows N] [--lines 320] [--completions 200]

Bits per byte (measure.py) beside `xz -9e`; how often a single line is found exactly, once by
fill-in-the-middle and once by continuing what stands before it; how many greedy completions of 64
tokens parse, beside the true text cut alike. Prints a table and, with --show, examples.
"""

import argparse
import ast
import lzma
import pathlib
import warnings

import numpy as np
import torch

import compare
import measure
import tokens

PREFIX_TOKENS = 640
SUFFIX_TOKENS = 256
LINE_TOKENS = 48
COMPLETION_TOKENS = 64


def xz_bits(texts):
    """Bits per byte of `xz -9e`: (each file by itself, all files in one)."""
    preset = 9 | lzma.PRESET_EXTREME
    data = [text.encode() for text in texts]
    n_bytes = sum(map(len, data))
    alone = sum(len(lzma.compress(one, preset=preset)) for one in data)
    return 8 * alone / n_bytes, 8 * len(lzma.compress(b"".join(data), preset=preset)) / n_bytes


def spread(items, count):
    return items[:: max(len(items) // count, 1)][:count]


def path_line(record):
    return f"# {record['path']}\n"


def choose_lines(records, count, rng):
    """[(record, text before, line, text behind)]: lines of code, one in a file at most."""
    chosen = []
    for record in records:
        lines = record["text"].splitlines(keepends=True)
        good = [
            i
            for i, line in enumerate(lines)
            if 8 <= len(line.strip()) <= 80 and line.strip()[0] not in "#\"'" and i > 5
        ]
        if len(good) >= 10:
            i = int(rng.choice(good))
            chosen.append((record, "".join(lines[:i]), lines[i], "".join(lines[i + 1 :])))
    return spread(chosen, count)


def fill_line(model, tokenizer, item, infill):
    """The line a model writes, by fill-in-the-middle or by continuing the text before it."""
    record, before, _, behind = item
    prefix = tokenizer.encode(path_line(record) + before).ids[-PREFIX_TOKENS:]
    ids = [tokens.BOS] + prefix
    if infill:
        suffix = tokenizer.encode("\n" + behind).ids[:SUFFIX_TOKENS]
        ids = [tokens.BOS, tokens.BEGIN, *prefix, tokens.HOLE, *suffix, tokens.END]
    newline = tokenizer.encode("\n").ids[0]
    return tokenizer.decode(model.greedy(ids, LINE_TOKENS, {newline, tokens.EOS}))


def body_line(node):
    """Index of the first line of a function's code; None where it stands behind something."""
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return first.end_lineno if node.body[1].lineno > first.end_lineno else None
    return first.lineno - 1 if first.lineno > node.lineno else None


def choose_functions(records, count, rng):
    """[(record, text up to and with the header and docstring of a function, text behind)]."""
    chosen = []
    for record in records:
        lines = record["text"].splitlines(keepends=True)
        functions = [
            node
            for node in ast.walk(ast.parse(record["text"]))
            if isinstance(node, ast.FunctionDef) and len(node.body) > 1
        ]
        starts = list(filter(None, map(body_line, functions)))
        if starts:
            i = int(rng.choice(starts))
            chosen.append((record, "".join(lines[:i]), "".join(lines[i:])))
    return spread(chosen, count)


def completion_parses(before, new, ended):
    """Whether code parses; an unfinished last line may go, two lines that are not blank must be
    left."""
    if not ended:
        new = new[: new.rfind("\n") + 1]
    if sum(1 for line in new.splitlines() if line.strip()) < 2:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(before + new)
        except (SyntaxError, ValueError):
            return False
    return True


def complete(model, tokenizer, item):
    """((text, whether it ended by itself) of the model, the same of the true text)."""
    record, before, behind = item
    prefix = tokenizer.encode(path_line(record) + before).ids[-PREFIX_TOKENS:]
    new = model.greedy([tokens.BOS] + prefix, COMPLETION_TOKENS, {tokens.EOS})
    truth = tokenizer.encode(behind).ids
    cut = truth[:COMPLETION_TOKENS]
    return (
        (tokenizer.decode(new), len(new) < COMPLETION_TOKENS),
        (tokenizer.decode(cut), len(truth) <= COMPLETION_TOKENS),
    )


def measure_lines(model, tokenizer, records, args):
    items = choose_lines(records, args.lines, np.random.default_rng(11))
    hits = {}
    for infill in (True, False):
        lines = [fill_line(model, tokenizer, item, infill) for item in items]
        hits[infill] = [line.strip() == item[2].strip() for line, item in zip(lines, items)]
    n = len(items)
    return [
        ("lines found by fill-in-the-middle", f"{np.mean(hits[True]):.1%} of {n}"),
        ("lines found by continuing", f"{np.mean(hits[False]):.1%} of {n}"),
        ("the first over the second", f"{sum(hits[True]) / max(sum(hits[False]), 1):.2f}"),
    ]


def measure_completions(model, tokenizer, records, args):
    items = choose_functions(records, args.completions, np.random.default_rng(12))
    good = []
    for item in items:
        ours, truth = complete(model, tokenizer, item)
        good.append([completion_parses(item[1], *side) for side in (ours, truth)])
        if len(good) <= args.show:
            print(f"---- {item[0]['path']}: {good[-1][0]}\n{item[1][-200:]}>>>{ours[0]}")
    ours, truth = np.array(good).T
    # 64 tokens of real code often end inside a bracket or a string: there nobody can parse.
    return [
        ("completions that parse", f"{ours.mean():.1%} of {len(items)}"),
        ("the true text, cut alike", f"{truth.mean():.1%}"),
        ("completions where the true text does", f"{ours[truth].mean():.1%} of {truth.sum()}"),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--windows", type=int, help="about as many instead of all")
    parser.add_argument("--lines", type=int, default=320)
    parser.add_argument("--completions", type=int, default=200)
    parser.add_argument("--show", type=int, default=0, help="print as many completions")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model, tokenizer = compare.load_model(args.model), tokens.load(args.run)
    records = list(tokens.read_records(args.run / "corpus/held_out.jsonl"))
    rows = measure_lines(model, tokenizer, records, args)
    rows += measure_completions(model, tokenizer, records, args)
    chosen = measure.held_out_windows(args.run, tokenizer, args.windows)
    rows.append(("bits per byte", f"{measure.bits_per_byte(model, chosen):.4f}"))
    alone, together = xz_bits([record["text"] for record in records])
    rows.append(("`xz -9e`, each file", f"{alone:.4f}"))
    rows.append(("`xz -9e`, all files in one", f"{together:.4f}"))
    print("| held out | |\n|---|---:|")
    print("\n".join(f"| {name} | {value} |" for name, value in rows))


if __name__ == "__main__":
    main()
