#!/usr/bin/env python3
"""Measures the models on the held-out packages.

    python evaluate.py RUN_FOLDER MODEL.pt [--only lines completions bits answers order]
        [--instruct INSTRUCT.pt] [--gguf MODEL-Q8_0.gguf --lemnos PATH] [--name evaluation]

- lines: how often a single line is found exactly, by fill-in-the-middle and by continuing what
  stands before it.
- costs: what those lines cost in nats, asked for in both ways; it tells models apart that find none.
- completions: how many of 200 greedy completions of 64 tokens parse, beside the true text cut
  alike, at the places of choices.py.
- bits: bits per byte (measure.py) beside `xz -9e`; with --gguf in Lemnos too, on the same windows.
- answers: how many of 50 held-out docstrings as instructions give a function that parses and end
  with <|EOT|>. Needs --instruct.
- order (not by default): bits per byte of files given the files before them in dependency order.

Writes RUN_FOLDER/NAME.json and NAME.md after every part, and RUN_FOLDER/NAME-PART.md with everything
the model wrote in it. Started again it measures what is missing there; --only measures anew.
"""

import argparse
import hashlib
import json
import os
import lzma
import pathlib
import time

import numpy as np
import torch

import bits
import chat
import choices
import compare
import measure
import tokens

PREFIX_TOKENS = 640
SUFFIX_TOKENS = 256
LINE_TOKENS = 48
COMPLETION_TOKENS = 64
ANSWER_TOKENS = 256


class Subject:
    """A model with what it is asked about."""

    def __init__(self, args):
        self.args = args
        self.tokenizer = tokens.load(args.run)
        self.records = list(tokens.read_records(args.run / "corpus/held_out.jsonl"))
        self.model = compare.load_model(args.model)
        self.texts = []  # (title, prompt's end, what was written)

    def ids(self, text):
        return self.tokenizer.encode(text).ids

    def text(self, ids):
        return self.tokenizer.decode([token for token in ids if token < tokens.N_ORDINARY])

    def prefix(self, record, before):
        return self.ids(f"# {record['path']}\n{before}")[-PREFIX_TOKENS:]

    def note(self, title, prompt, text):
        self.texts.append((title, prompt, text))


def share(flags):
    return {"good": int(np.sum(flags)), "of": len(flags), "share": float(np.mean(flags))}


# ---- lines ---------------------------------------------------------------------------------------


def line_prompt(subject, item, infill):
    record, before, _, behind = item
    prefix = subject.prefix(record, before)
    if not infill:
        return [tokens.BOS] + prefix
    suffix = subject.ids("\n" + behind)[:SUFFIX_TOKENS]
    return [tokens.BOS, tokens.BEGIN, *prefix, tokens.HOLE, *suffix, tokens.END]


def measure_lines(subject):
    items = choices.choose_lines(subject.records, subject.args.lines)
    stops = {subject.ids("\n")[0], tokens.EOS}
    found = {}
    for infill, name in ((True, "infill"), (False, "continuing")):
        prompts = [line_prompt(subject, item, infill) for item in items]
        lines = map(subject.text, subject.model.greedy(prompts, LINE_TOKENS, stops))
        flags = []
        for line, item in zip(lines, items):
            flags.append(line.strip() == item[2].strip())
            subject.note(f"line, {name}: {flags[-1]}", item[2], line)
        found[name] = share(flags)
    found["ratio"] = found["infill"]["good"] / max(found["continuing"]["good"], 1)
    return found


def measure_costs(subject):
    """The end of a line costs too: <EOS> of a middle, a newline where a text goes on."""
    items = choices.choose_lines(subject.records, subject.args.lines)
    found = {}
    for infill, name in ((True, "infill"), (False, "continuing")):
        windows = []
        for item in items:
            line = subject.ids(item[2].removesuffix("\n"))
            line.append(tokens.EOS if infill else subject.ids("\n")[0])
            ids = line_prompt(subject, item, infill) + line
            windows.append((np.array(ids, dtype=np.uint16), len(line), 0))
        found[name] = sum(measure.nats(subject.model, windows)) / len(windows)
    return {"lines": len(items), **found}


# ---- completions ---------------------------------------------------------------------------------


def measure_places(subject, kind):
    items = choices.choose_places(subject.records, subject.args.completions, kind)
    prompts = [[tokens.BOS] + subject.prefix(record, before) for record, before, _ in items]
    written = subject.model.greedy(prompts, COMPLETION_TOKENS, {tokens.EOS})
    flags = {}
    for (_, before, behind), new in zip(items, written):
        truth = subject.ids(behind[: 16 * COMPLETION_TOKENS])
        sides = {
            "model": (subject.text(new), len(new) < COMPLETION_TOKENS),
            "truth": (subject.text(truth[:COMPLETION_TOKENS]), len(truth) <= COMPLETION_TOKENS),
        }
        for logical in (False, True):
            for side, (text, ended) in sides.items():
                parses = choices.completion_parses(before, text, ended, logical)
                flags.setdefault((side, logical), []).append(parses)
        subject.note(f"{kind}: {flags['model', False][-1]}", before[-300:], sides["model"][0])
    truth = np.array(flags["truth", False])
    model = np.array(flags["model", False])
    return {
        "model": share(model),
        "truth": share(truth),
        "model where truth parses": share(model[truth]),
        "model, logical lines": share(flags["model", True]),
        "truth, logical lines": share(flags["truth", True]),
    }


def measure_completions(subject):
    kinds = (choices.STATEMENT, choices.FUNCTION)
    return {kind: measure_places(subject, kind) for kind in kinds}


# ---- bits per byte -------------------------------------------------------------------------------


def xz_bits(texts):
    """Bits per byte of `xz -9e`, each file by itself."""
    preset = 9 | lzma.PRESET_EXTREME
    data = [text.encode() for text in texts]
    return 8 * sum(len(lzma.compress(one, preset=preset)) for one in data) / sum(map(len, data))


def measure_bits(subject):
    args = subject.args
    documents = measure.excerpts(args.run, args.document_chars)
    found = bits.by_pytorch(subject.model, subject.tokenizer, documents)
    report = {
        "documents": len(documents),
        "bytes": sum(one.n_bytes for one in found),
        "windows": sum(len(one.windows) for one in found),
        "pytorch": bits.per_byte(found),
        "xz": xz_bits([record["text"] for record in subject.records]),
    }
    if args.gguf:
        some = documents[:: args.lemnos_every]
        by_lemnos = bits.by_lemnos(args.lemnos, args.gguf, some)
        by_pytorch = found[:: args.lemnos_every]
        bits.check_same(by_pytorch, by_lemnos)
        both = [bits.per_byte(by_pytorch), bits.per_byte(by_lemnos)]
        report["same windows"] = {
            "documents": len(some),
            "windows": sum(len(one.windows) for one in by_lemnos),
            "file": args.gguf.name,
            "pytorch": both[0],
            "lemnos": both[1],
            "difference": both[1] / both[0] - 1,
            "largest of a document": max(
                abs(bits.per_byte([b]) / bits.per_byte([a]) - 1)
                for a, b in zip(by_pytorch, by_lemnos)
            ),
        }
    return report


# ---- answers -------------------------------------------------------------------------------------


def measure_answers(subject):
    model = compare.load_model(subject.args.instruct)
    pairs = list(tokens.read_records(subject.args.run / "pairs/held_out.jsonl"))
    pairs = choices.spread(pairs, subject.args.answers)
    prompts = [chat.prompt_ids(subject.tokenizer, pair["instruction"]) for pair in pairs]
    flags, named = [], []
    for pair, new in zip(pairs, model.greedy(prompts, ANSWER_TOKENS, {tokens.EOT})):
        answer = subject.text(new)
        function = choices.function_of(chat.code_of(answer))
        flags.append(function is not None and len(new) < ANSWER_TOKENS)
        if f"`{pair['head']}`" in pair["instruction"]:
            named.append(function is not None and function.name == pair["head"].partition("(")[0])
        subject.note(f"answer: {flags[-1]}", pair["instruction"], answer)
    return {"function and end": share(flags), "has the name asked for": share(named)}


# ---- order ---------------------------------------------------------------------------------------


def measure_order(subject):
    """Of models trained at long context, for the ablation: what the second half of a window costs,
    which is the beginning of a file, given the files before it and given nothing."""
    chosen = measure.file_beginnings(subject.args.run, subject.tokenizer, subject.args.files)
    alone = [(np.append(ids[:1], ids[-n:]), n, n_bytes) for ids, n, n_bytes in chosen]
    found = {
        "files": len(chosen),
        "with the files before": measure.bits_per_byte(subject.model, chosen, batch=1),
        "alone": measure.bits_per_byte(subject.model, alone, batch=1),
    }
    return {**found, "gain": 1 - found["with the files before"] / found["alone"]}


# ---- report --------------------------------------------------------------------------------------


def said(value):
    return f"{value['share']:.1%} ({value['good']} of {value['of']})"


def rows_of(results):
    """[(what, value)] for a table."""
    rows = []
    if bits_ := results.get("bits"):
        what = f"bits per byte, PyTorch f32, {bits_['windows']} windows"
        rows.append((what, f"{bits_['pytorch']:.4f}"))
        rows.append(
            ("`xz -9e`, each file; 0.80 of it", f"{bits_['xz']:.4f}; {0.8 * bits_['xz']:.4f}")
        )
        if same := bits_.get("same windows"):
            what = f"{same['windows']} of the {bits_['windows']} windows"
            rows.append((f"{what}, PyTorch f32", f"{same['pytorch']:.4f}"))
            rows.append((f"{what}, Lemnos, {same['file']}", f"{same['lemnos']:.4f}"))
            rows.append(("difference", f"{same['difference']:+.3%}"))
    if lines := results.get("lines"):
        rows.append(("a line exactly, by fill-in-the-middle", said(lines["infill"])))
        rows.append(("a line exactly, by continuing", said(lines["continuing"])))
        rows.append(("the first over the second", f"{lines['ratio']:.2f}"))
    if costs := results.get("costs"):
        what = f"nats of a line, mean of {costs['lines']}"
        rows.append((f"{what}, by fill-in-the-middle", f"{costs['infill']:.2f}"))
        rows.append((f"{what}, by continuing", f"{costs['continuing']:.2f}"))
    for kind, found in (results.get("completions") or {}).items():
        rows.append((f"completions {kind} that parse", said(found["model"])))
        rows.append(("- the true text, cut alike", said(found["truth"])))
        rows.append(("- where the true text parses", said(found["model where truth parses"])))
        logical = [f"{found[f'{side}, logical lines']['share']:.1%}" for side in ("model", "truth")]
        rows.append(
            ("- where the last statement may go as one line; the truth", "; ".join(logical))
        )
    if answers := results.get("answers"):
        rows.append(("instructions: a function and the end", said(answers["function and end"])))
        rows.append(("- with the name asked for", said(answers["has the name asked for"])))
    if order := results.get("order"):
        what = f"the first {measure.FILE_TOKENS} tokens of {order['files']} files"
        rows.append(
            (f"bits per byte, {what}, behind those before", f"{order['with the files before']:.4f}")
        )
        rows.append(("- behind nothing", f"{order['alone']:.4f}"))
        rows.append(("- gain", f"{order['gain']:.1%}"))
    return rows


def model_of(args, part):
    """(path, SHA-256) of what a part measures; None where it was not given."""
    path = args.instruct if part == "answers" else args.model
    return path and (path, hashlib.sha256(path.read_bytes()).hexdigest())


def path_of(args, suffix):
    return args.run / f"{args.name}{suffix}"


def read_results(args):
    """What is measured already, without the parts that were measured of other models."""
    path = path_of(args, ".json")
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    models = results.setdefault("models", {})
    for part in list(models):
        model = model_of(args, part)
        if model and model[1] != models[part]:
            print(f"{path}: {part} is of another model than {model[0]}: dropped", flush=True)
            del results[part], models[part]
    return results


def write_whole(path, text):
    """Whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def write_report(args, part, results, texts):
    lines = ["| held out | |", "|---|---:|"]
    lines += [f"| {what} | {value} |" for what, value in rows_of(results)]
    written = [
        f"## {title}\n\n~~~~\n{prompt}\n---->\n{text}\n~~~~\n" for title, prompt, text in texts
    ]
    if written:
        write_whole(path_of(args, f"-{part}.md"), "\n".join(written))
    write_whole(path_of(args, ".md"), "\n".join(lines) + "\n")
    write_whole(path_of(args, ".json"), json.dumps(results, indent=1) + "\n")


MEASURES = {
    "lines": measure_lines,
    "costs": measure_costs,
    "completions": measure_completions,
    "bits": measure_bits,
    "answers": measure_answers,
    "order": measure_order,
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path, help="the base model")
    parser.add_argument("--only", nargs="+", choices=MEASURES, help="measure these, and anew")
    parser.add_argument("--instruct", type=pathlib.Path, help="the instruct model")
    parser.add_argument("--gguf", type=pathlib.Path, help="the base model, for Lemnos")
    parser.add_argument("--lemnos", default="lemnos")
    parser.add_argument("--name", default="evaluation", help="of the files in RUN_FOLDER")
    parser.add_argument("--document-chars", type=int, default=12000, help="of each section")
    parser.add_argument("--lemnos-every", type=int, default=8, help="documents")
    parser.add_argument("--lines", type=int, default=320)
    parser.add_argument("--completions", type=int, default=200)
    parser.add_argument("--answers", type=int, default=50)
    parser.add_argument("--files", type=int, default=60, help="for the order")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    results = read_results(args)
    missing = [name for name in list(MEASURES)[:-1] if name not in results]
    subject = Subject(args)
    for name in args.only or missing:
        if not (model := model_of(args, name)):
            print(f"{name}: not without --instruct", flush=True)
            continue
        start, subject.texts = time.monotonic(), []
        found = MEASURES[name](subject)
        results = read_results(args)  # another process may have measured another part meanwhile
        results[name], results["models"][name] = found, model[1]
        write_report(args, name, results, subject.texts)
        print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
    print(path_of(args, ".md").read_text(encoding="utf-8") if len(results) > 1 else "nothing")


if __name__ == "__main__":
    main()
