#!/usr/bin/env python3
"""Packs the corpus into rows of tokens for training: files of uint16.

    python pack.py RUN_FOLDER --context 1024 --files 4 --parts 4

A document is a piece of a package's files in dependency order, each file behind a comment with its
path, at most a row long. Half of the documents become fill-in-the-middle (prefix, suffix, middle,
as in section 3.1.2 of the paper) before they are packed into rows. File n holds the part n % PARTS
of the corpus, so PARTS files are an epoch; every epoch cuts anew. With --skip K it is part n + K,
so that the second phase need not see again what the first has seen.
"""

import argparse
import json
import pathlib
import typing
import zlib

import numpy as np

import tokens

AFTER_FILE = "\n\n\n"  # as Lemnos puts a repository together, tokenizer/prompt_code.c
FIM_EXTRA = 20  # tokens that the marks and the cuts may add to a document
SECTION_CHARS = 100_000
MIN_LINE_CHARS = 4  # of a line that is cut out


class Section(typing.NamedTuple):
    name: str
    files: list  # texts of files, each behind its path
    ends: bool  # whether a group ends with it

    @property
    def text(self):
        return "".join(self.files)


def streams(records):
    """Sections of the groups of files that depend on each other, at least SECTION_CHARS long and
    cut between files."""
    groups = {}
    for record in records:
        groups.setdefault((record["package"], record["group"]), []).append(record)
    for (package, group), files in groups.items():
        section, size = [], 0
        for record in files:
            section.append(f"# {record['path']}\n{record['text'].rstrip()}{AFTER_FILE}")
            size += len(section[-1])
            if size >= SECTION_CHARS and record is not files[-1]:
                yield Section(f"{package} {group} {record['path']}", section, False)
                section, size = [], 0
        yield Section(f"{package} {group}", section, True)


def shuffled(sections, rng):
    """Sections of the same files in any order, packages mixed, for the ablation."""
    files = [text for section in sections for text in section.files]
    section, size = [], 0
    for index in rng.permutation(len(files)):
        section.append(files[index])
        size += len(files[index])
        if size >= SECTION_CHARS:
            yield Section("shuffled", section, True)
            section, size = [], 0
    if section:
        yield Section("shuffled", section, True)


class Stream:
    """One section with its tokens and where its lines begin in text and tokens."""

    def __init__(self, tokenizer, newline, section):
        text = self.text = section.text
        self.ends = section.ends
        self.ids = np.array(tokenizer.encode(text).ids, dtype=np.uint16)
        # Every newline is a token of its own, so lines are found alike in both.
        self.line_tokens = np.append(0, np.flatnonzero(self.ids == newline) + 1)
        ends = np.flatnonzero(np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32) == 10) + 1
        self.line_chars = np.append(0, ends)

    def pieces(self, context, rng):
        """Yields (first line, last line, last token) of documents, each starting with a line."""
        line, n_lines = 0, len(self.line_tokens) - 1
        while line < n_lines:
            size = context if rng.random() < 0.5 else int(rng.integers(context // 8, context + 1))
            start = self.line_tokens[line]
            end_token = min(start + size, len(self.ids))
            end = int(np.searchsorted(self.line_tokens, end_token, side="right")) - 1
            yield line, max(end, line), int(end_token)
            line = max(end, line + 1)


def choose_line(text, rng):
    """Two cuts around a line of a text, or the end of one; the end of the line stays behind."""
    spans, at = [], 0
    for line in text.split("\n"):
        if len(line.strip()) >= MIN_LINE_CHARS:
            spans.append((at, at + len(line)))
        at += len(line) + 1
    if not spans:
        return None
    a, b = spans[int(rng.integers(len(spans)))]
    kind = rng.random()
    if kind < 0.2:
        a += len(text[a:b]) - len(text[a:b].lstrip(" "))
    elif kind < 0.4:
        a += int(rng.integers(b - a))
    return a, b


def choose_middle(text, line_share, rng):
    """Two cuts into a text. Of all but `line_share`, which cut out one line, half are anywhere (the
    paper's way), the others cut out a line or the end of one, or a few lines: what an editor asks
    for."""
    if line_share and rng.random() < line_share and (line := choose_line(text, rng)):
        return line
    kind = rng.random()
    if kind < 0.5:
        a, b = sorted(rng.integers(0, len(text) + 1, 2))
        return int(a), int(b)
    starts = [0] + [i + 1 for i, c in enumerate(text) if c == "\n"]
    first = int(rng.integers(len(starts)))
    count = 1 if kind < 0.8 else int(rng.integers(2, 7))
    last = min(first + count, len(starts) - 1)
    a, b = starts[first], starts[last] if last > first else len(text)
    if rng.random() < 0.5 and b > a and text[b - 1] == "\n":
        b -= 1
    line = text[a:b]
    kind = rng.random()
    if kind < 0.4:
        a += len(line) - len(line.lstrip(" "))
    elif kind < 0.6 and b > a:
        a += int(rng.integers(b - a))
    return a, b


def documents(stream, context, fim_rate, line_share, rng):
    """Yields ("plain", ids) or ("fim", (prefix, suffix, middle)) of one stream."""
    for first, last, end_token in stream.pieces(context, rng):
        if rng.random() < fim_rate and last > first:
            limit = stream.line_tokens[first] + context - FIM_EXTRA
            while last > first + 1 and stream.line_tokens[last] > limit:
                last -= 1
            text = stream.text[stream.line_chars[first] : stream.line_chars[last]]
            a, b = choose_middle(text, line_share, rng)
            yield "fim", (text[:a], text[b:], text[a:b])
        else:
            ids = stream.ids[stream.line_tokens[first] : end_token].tolist()
            at_end = [tokens.EOS] if stream.ends and end_token == len(stream.ids) else []
            yield "plain", [tokens.BOS] + ids + at_end


def encode_fim(tokenizer, parts, limit):
    """Rows for (prefix, suffix, middle); the suffix is cut where all does not fit into `limit`."""
    flat = tokenizer.encode_batch([text for part in parts for text in part])
    for i in range(0, len(flat), 3):
        prefix, suffix, middle = (encoding.ids for encoding in flat[i : i + 3])
        over = len(prefix) + len(suffix) + len(middle) + 5 - limit
        if over > 0:
            suffix = suffix[: max(len(suffix) - over, 0)]
        ids = [tokens.BOS, tokens.BEGIN, *prefix, tokens.HOLE, *suffix, tokens.END, *middle]
        yield (ids + [tokens.EOS])[:limit]


class Rows:
    """Rows of equal size, filled best-fit: a document goes where it leaves the least room."""

    def __init__(self, size):
        self.size = size
        self.rows = []
        self.open = [[] for _ in range(size + 1)]  # [room]: indices of rows with that much room
        self.used = np.zeros(size + 1, dtype=bool)

    def add(self, ids):
        ids = ids[: self.size]
        rooms = np.flatnonzero(self.used[len(ids) :])
        if len(rooms):
            room = len(ids) + int(rooms[0])
            index = self.open[room].pop()
            self.used[room] = bool(self.open[room])
            self.rows[index] += ids
        else:
            room, index = self.size, len(self.rows)
            self.rows.append(list(ids))
        room -= len(ids)
        if room > 0:
            self.open[room].append(index)
            self.used[room] = True

    def array(self, rng):
        table = np.full((len(self.rows), self.size), tokens.PAD, dtype=np.uint16)
        for row, ids in zip(table, self.rows):
            row[: len(ids)] = ids
        return table[rng.permutation(len(table))]


def pack(tokenizer, sections, context, fim_rate, line_share, rng):
    """u16 [n_rows][context + 1], padded with PAD behind the documents of a row."""
    newline = tokenizer.encode("\n").ids[0]
    rows, plain, fim = Rows(context + 1), [], []
    for section in sections:
        stream = Stream(tokenizer, newline, section)
        for kind, what in documents(stream, context, fim_rate, line_share, rng):
            (plain if kind == "plain" else fim).append(what)
    plain += encode_fim(tokenizer, fim, context + 1)
    # The longest first leaves the least padding; array() shuffles the rows.
    for index in sorted(rng.permutation(len(plain)), key=lambda i: -len(plain[i])):
        rows.add(plain[index])
    return rows.array(rng)


def path_of(run, name, number):
    return run / "packed" / f"{name}-{number}.u16"


def part_of(sections, part, parts):
    return [s for s in sections if zlib.crc32(s.name.encode()) % parts == part]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--context", type=int, default=1024)
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--skip", type=int, default=0, help="parts")
    parser.add_argument("--fim-rate", type=float, default=0.5)
    parser.add_argument("--line-share", type=float, default=0.0, help="of the middles: one line")
    parser.add_argument("--shuffle-files", action="store_true", help="for the ablation")
    parser.add_argument("--name", default="ctx", help="of the files, before the context")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    name = f"{args.name}{args.context}"
    tokenizer = tokens.load(args.run)
    records = list(tokens.read_records(args.run / "corpus/train.jsonl"))
    sections = list(streams(records))
    (args.run / "packed").mkdir(exist_ok=True)
    for number in range(args.first, args.first + args.files):
        rng = np.random.default_rng([args.seed, args.context, number])
        part = part_of(sections, (number + args.skip) % args.parts, args.parts)
        if args.shuffle_files:
            part = list(shuffled(part, rng))
        table = pack(tokenizer, part, args.context, args.fim_rate, args.line_share, rng)
        path = path_of(args.run, name, number)
        table.tofile(path.with_suffix(".part"))
        path.with_suffix(".part").rename(path)
        n_pad = int((table == tokens.PAD).sum())
        report = {
            "rows": len(table),
            "context": args.context,
            "tokens": table.size - n_pad,
            "padding": n_pad,
            "fim_rate": args.fim_rate,
            "line_share": args.line_share,
            "seed": args.seed,
            "parts": args.parts,
        }
        path.with_suffix(".json").write_text(json.dumps(report) + "\n")
        print(f"{path.name}: {json.dumps(report)}", flush=True)


if __name__ == "__main__":
    main()
