#!/usr/bin/env python3
"""Makes pairs of an instruction and a function, for the instruct model.

    python instruct.py RUN_FOLDER [--tokens 1200000]

From the functions of the training packages whose docstring says in a sentence what they do:
"Write a Python function `name(arguments)` that ..." and their code, without the docstring. A model
of this size learns what is short and alike: functions of a module, without decorators, at most
ANSWER_TOKENS long, that need little from elsewhere. Writes RUN_FOLDER/pairs: train.jsonl,
held_out.jsonl (of the held-out packages, for evaluate.py), counts.json; and rows for tune.py into
RUN_FOLDER/packed, where the highest bit marks the tokens of answers.
"""

import argparse
import ast
import builtins
import collections
import copy
import json
import keyword
import pathlib
import re
import zlib

import numpy as np

import chat
import choices
import pack
import tokens

CONTEXT = 1024
IN_ANSWER = 0x8000
ANSWER_TOKENS = 100  # with the fence and the end
INSTRUCTION_CHARS = 200
LINE_CHARS = 90
FUNCTION_LINES = 80
HELD_OUT_PAIRS = 200
MAX_OF_A_PACKAGE = 1000
MAX_OF_A_NAME = 8

# What a function may use without having made it.
KNOWN = set(dir(builtins)) | set(
    "os sys re math json itertools functools collections operator string random time datetime "
    "pathlib Path np OrderedDict defaultdict Counter reduce partial warnings copy struct".split()
)

# First words of docstrings that can become "a function that ...s".
VERBS = set(
    "add append apply assert build calculate call change check clean clear combine compare "
    "compute concatenate construct convert copy count create decode define delete determine "
    "display divide encode ensure escape evaluate expand extract fill filter find flatten "
    "format generate get give group handle insert iterate join list load look make map match "
    "merge move normalize open parse perform pick prepare print process produce pull push put "
    "raise read register remove rename replace reset resolve return reverse round run search "
    "select set shift show simplify sort split strip sum swap take test transform translate "
    "trim truncate turn unescape update validate verify wrap write yield".split()
)


# Markup, what speaks of a class or of the code's state, and what broke off at "e.g.".
NO_SENTENCE = re.compile(
    r"[@<>{}\\=|*#]|:\w+:|::|TODO|FIXME|deprecated|http|\b(self|cls)\b|\W(e\.g|i\.e)$", re.I
)


def third_person(verb):
    if verb.endswith(("s", "sh", "ch", "x", "z")):
        return verb + "es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"


FORMS = {third_person(verb): verb for verb in VERBS} | {verb: verb for verb in VERBS}


def first_sentence(docstring):
    """What a docstring says first, without its full stop; None where that is no plain sentence."""
    text = " ".join(docstring.strip().partition("\n\n")[0].split())
    text = re.split(r"\.(?: |$)", text)[0].rstrip(" .:").replace("``", "`")
    if not 12 <= len(text) <= 120 or not text.isascii() or not text[0].isalpha():
        return None
    if NO_SENTENCE.search(text):
        return None
    return text


def does(sentence):
    """ "Return the sum" -> "returns the sum"; None where the first word is no verb we know."""
    first, _, rest = sentence.partition(" ")
    verb = FORMS.get(first.lower())
    return f"{third_person(verb)} {rest}" if verb and rest else None


def phrase(sentence, head, number):
    """An instruction for a sentence and `name(arguments)`; `number` chooses between phrasings."""
    what = does(sentence)
    if not what:
        return [
            f"Write a Python function `{head}`: {sentence}.",
            f"Write a function `{head}`: {sentence}.",
            f"{sentence}. Call it `{head}`.",
        ][number % 3]
    return [
        f"Write a Python function `{head}` that {what}.",
        f"Write a Python function that {what}.",
        f"Write a function `{head}` that {what}.",
        f"Write a Python function `{head}` that {what}.",
        f"Write a function that {what}.",
        f"Python function `{head}` that {what}",
        f"Write `{head}`, which {what}.",
        f"{sentence}.",
    ][number % 8]


def arguments_of(node):
    """The arguments as text, without annotations."""
    args = copy.deepcopy(node.args)
    for arg in [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]:
        if arg:
            arg.annotation = None
    return ast.unparse(args)


def n_foreign(node):
    """How many names a function uses that it has not made and that not everybody knows."""
    own = {a.arg for a in ast.walk(node) if isinstance(a, ast.arg)} | {node.name}
    used = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            (used if isinstance(part.ctx, ast.Load) else own).add(part.id)
        elif isinstance(part, (ast.Import, ast.ImportFrom)):
            own.update((alias.asname or alias.name).partition(".")[0] for alias in part.names)
        elif isinstance(part, ast.ExceptHandler) and part.name:
            own.add(part.name)
        elif isinstance(part, ast.FunctionDef):
            own.add(part.name)
    return len(used - own - KNOWN)


def is_stub(body):
    """Nothing but raise, pass or a constant: nothing to learn from."""
    return all(isinstance(s, (ast.Raise, ast.Pass)) for s in body) or (
        len(body) == 1 and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    )


def pair_of(node, lines):
    """{"sentence", "head", "code", "foreign"} of a function of a module, or None."""
    docstring = ast.get_docstring(node, clean=True)
    sentence = docstring and first_sentence(docstring)
    body = node.body[1:]
    if not sentence or not body or node.decorator_list or is_stub(body):
        return None
    if node.name.startswith("__") or body[0].lineno <= node.body[0].end_lineno:
        return None
    text = [line.rstrip() for line in lines[body[0].lineno - 1 : node.end_lineno]]
    text = [line for line in text if line]
    if any(len(line) > LINE_CHARS or line.lstrip().startswith("#") for line in text):
        return None
    # Strings over several lines may hold anything, at any indentation.
    if not all(re.match(r"(    )+\S", line) for line in text) or '"""' in "".join(text):
        return None
    head = f"{node.name}({arguments_of(node)})"
    code = "\n".join([f"def {head}:", *text])
    if len(head) > 60 or not code.isascii() or not choices.parse(code):
        return None
    return {"sentence": sentence, "head": head, "code": code, "foreign": n_foreign(node)}


def functions(lines):
    """Yields the lines of functions of a module that may have a docstring, without decorators.
    Only they are parsed: of most files they are a small part."""
    for start, line in enumerate(lines):
        if not line.startswith("def ") or (start > 0 and lines[start - 1].startswith("@")):
            continue
        end = start + 1
        while end < len(lines) and (not lines[end] or lines[end][0] in " )"):
            end += 1
        if end - start <= FUNCTION_LINES and any('"""' in other for other in lines[start:end]):
            yield lines[start:end]


def candidates(record):
    for lines in functions(record["text"].split("\n")):
        tree = choices.parse("\n".join(lines))
        pair = pair_of(tree.body[0], lines) if tree else None
        if pair:
            yield {"package": record["package"], "path": record["path"], **pair}


def chosen(pairs):
    """The best first: what needs nothing from elsewhere and is nobody's inner affair. Of equal
    code one; of a package and of a name not too many."""
    seen, of_package, of_name = set(), collections.Counter(), collections.Counter()

    def rank(pair):
        order = zlib.crc32(f"{pair['package']} {pair['path']} {pair['head']}".encode())
        return min(pair["foreign"], 3) + pair["head"].startswith("_"), order

    for pair in sorted(pairs, key=rank):
        name, _, rest = pair["code"].removeprefix("def ").partition("(")
        if rest in seen or of_package[pair["package"]] >= MAX_OF_A_PACKAGE:
            continue
        if of_name[name] >= MAX_OF_A_NAME or keyword.iskeyword(name):
            continue
        seen.add(rest)
        of_package[pair["package"]] += 1
        of_name[name] += 1
        yield pair


def encoded(tokenizer, pairs):
    """Yields (pair with its instruction, ids of the prompt, ids of the answer), short ones only."""
    for number, pair in enumerate(pairs):
        instruction = phrase(pair["sentence"], pair["head"], number)
        answer = chat.answer_ids(tokenizer, pair["code"])
        if len(instruction) <= INSTRUCTION_CHARS and len(answer) <= ANSWER_TOKENS:
            prompt = chat.prompt_ids(tokenizer, instruction)
            yield {**pair, "instruction": instruction}, prompt, answer


def read_pairs(path):
    return chosen(pair for record in tokens.read_records(path) for pair in candidates(record))


def write_pairs(path, pairs):
    with open(path, "w", encoding="utf-8") as file:
        for pair in pairs:
            file.write(json.dumps(pair, ensure_ascii=False) + "\n")


def write_rows(run, documents, rng):
    """The rows; returns how many. In each document the prompt, then the marked answer."""
    rows = pack.Rows(CONTEXT + 1)
    for index in sorted(rng.permutation(len(documents)), key=lambda i: -len(documents[i])):
        rows.add(documents[index])
    table = rows.array(rng)
    path = pack.path_of(run, "instruct", 0)
    path.parent.mkdir(exist_ok=True)
    table.tofile(path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)
    return len(table)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--tokens", type=int, default=1_200_000, help="of all pairs, at most")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    tokenizer = tokens.load(args.run)
    folder = args.run / "pairs"
    folder.mkdir(exist_ok=True)
    held = [
        pair for pair, _, _ in encoded(tokenizer, read_pairs(args.run / "corpus/held_out.jsonl"))
    ]
    held = held[:: max(len(held) // HELD_OUT_PAIRS, 1)][:HELD_OUT_PAIRS]
    write_pairs(folder / "held_out.jsonl", held)

    # An instruction that is measured is not learnt, whoever else gave it.
    taken = {pair["sentence"].lower() for pair in held} | {pair["code"] for pair in held}
    kept, documents, size = [], [], 0
    for pair, prompt, answer in encoded(tokenizer, read_pairs(args.run / "corpus/train.jsonl")):
        if pair["sentence"].lower() in taken or pair["code"] in taken:
            continue
        size += len(prompt) + len(answer)
        if size > args.tokens:
            break
        kept.append(pair)
        documents.append(prompt + [token | IN_ANSWER for token in answer])
    write_pairs(folder / "train.jsonl", kept)
    n_rows = write_rows(args.run, documents, np.random.default_rng(args.seed))
    answers = [sum(token >= IN_ANSWER for token in ids) for ids in documents]
    report = {
        "pairs": len(kept),
        "packages": len({pair["package"] for pair in kept}),
        "tokens": sum(map(len, documents)),
        "answer_tokens": sum(answers),
        "rows": n_rows,
        "held_out_pairs": len(held),
    }
    (folder / "counts.json").write_text(json.dumps(report) + "\n")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
