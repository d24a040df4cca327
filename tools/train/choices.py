"""What the evaluation asks a base model, and the rule by which code parses.

All of it is fixed by seeds and by the held-out text alone.
"""

import ast
import io
import tokenize
import warnings

import numpy as np

MIN_LINE = 5  # something must stand before


def spread(items, count):
    return items[:: max(len(items) // count, 1)][:count]


def lines_of(text):
    """Lines with their ends, counted as Python's parser does."""
    return list(io.StringIO(text, newline="\n"))


def parse(text):
    """The tree, or None where it does not parse."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


# ---- lines ---------------------------------------------------------------------------------------


def choose_lines(records, count):
    """[(record, text before, line, text behind)]: lines of code, one in a file at most."""
    rng = np.random.default_rng(11)
    chosen = []
    for record in records:
        lines = lines_of(record["text"])
        good = [
            i
            for i, line in enumerate(lines)
            if 8 <= len(line.strip()) <= 80 and line.strip()[0] not in "#\"'" and i > MIN_LINE
        ]
        if len(good) >= 10:
            i = int(rng.choice(good))
            chosen.append((record, "".join(lines[:i]), lines[i], "".join(lines[i + 1 :])))
    return spread(chosen, count)


# ---- places for completions ----------------------------------------------------------------------

# Where somebody asks for a completion: a statement is finished, Enter was pressed, and the cursor
# is at the beginning of a line. The second kind is the line behind a function's head and docstring.
STATEMENT, FUNCTION = "behind a statement", "behind a function's docstring"


def body_line(node):
    """Index of the first line of a function's code; None where it stands behind something."""
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return first.end_lineno if node.body[1].lineno > first.end_lineno else None
    return first.lineno - 1 if first.lineno > node.lineno else None


def line_starts(tree, kind):
    if kind == FUNCTION:
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
        return sorted(filter(None, (body_line(n) for n in functions if len(n.body) > 1)))
    simple = [n for n in ast.walk(tree) if isinstance(n, ast.stmt) and not hasattr(n, "body")]
    return sorted({n.end_lineno for n in simple})


def choose_places(records, count, kind):
    """[(record, text before, text behind)], one in a file at most. Behind a statement the text
    before must parse by itself: in an open `try`, say, nothing could."""
    rng = np.random.default_rng(12)
    chosen = []
    for record in records:
        lines = lines_of(record["text"])
        starts = line_starts(parse(record["text"]), kind)
        starts = [i for i in starts if MIN_LINE < i < len(lines) - 2]
        if not starts:
            continue
        i = int(rng.choice(starts))
        before = "".join(lines[:i])
        if kind == FUNCTION or parse(before):
            chosen.append((record, before, "".join(lines[i:])))
    return spread(chosen, count)


# ---- what parses ---------------------------------------------------------------------------------


def completion_parses(before, new, ended, logical=False):
    """Whether code parses; an unfinished last line may go, two lines that are not blank must be
    left. `logical`: a line is what Python calls a logical line, so that a statement in brackets
    over several lines goes as one."""
    if not ended:
        new = new[: new.rfind("\n") + 1]
        if logical:
            new = new[: max(end_of_logical_lines(before + new) - len(before), 0)]
    if sum(1 for line in new.splitlines() if line.strip()) < 2:
        return False
    return parse(before + new) is not None


def end_of_logical_lines(text):
    """Where the last finished logical line of a text ends."""
    ends, at = [0], 0
    for line in lines_of(text):
        at += len(line)
        ends.append(at)
    last = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text, newline="\n").readline):
            if token.type == tokenize.NEWLINE:
                last = ends[token.start[0]]
    except (tokenize.TokenError, IndentationError, SyntaxError):
        pass
    return last


def function_of(code):
    """The first statement of `code` where it is a function that does something, or None."""
    tree = parse(code) if code else None
    node = tree.body[0] if tree and tree.body else None
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None
    does = [s for s in node.body if not isinstance(s, ast.Pass)]
    does = [s for s in does if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    return node if does else None
