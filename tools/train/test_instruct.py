"""Pairs and fine-tuning, on a corpus of a few functions."""

import ast
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import torch

import chat
import instruct
import model as models
import tokens
import train
import tune
from test_train import HERE, make_tokenizer

GOOD = '''def add(a: int, b=1, *rest):
    """Return the sum of two numbers.

    More about it.
    """
    total = a + b

    return total
'''


def pair_of(text):
    return instruct.pair_of(ast.parse(text).body[0], text.split("\n"))


class Pairs(unittest.TestCase):
    def test_good(self):
        pair = pair_of(GOOD)
        self.assertEqual(pair["head"], "add(a, b=1, *rest)")
        self.assertEqual(pair["sentence"], "Return the sum of two numbers")
        code = "def add(a, b=1, *rest):\n    total = a + b\n    return total"
        self.assertEqual(pair["code"], code)
        self.assertEqual(pair["foreign"], 0)
        self.assertEqual(pair_of(GOOD.replace("a + b", "a + helper(b)"))["foreign"], 1)

    def test_refused(self):
        for old, new in (
            ("    total = a + b\n\n    return total\n", "    raise ValueError\n"),
            ("    total = a + b\n\n    return total\n", ""),
            ("    return", "    # why\n    return"),
            ("a + b", "(a +\n             b)"),
            ("Return the sum of two numbers.", "Return :class:`Sum`."),
            ("def add", "def __add"),
            ("def add", "@cached\ndef add"),
        ):
            self.assertIsNone(pair_of(GOOD.replace(old, new)), new)

    def test_functions_of_a_module(self):
        text = "@x\n" + GOOD + "\nclass A:\n    pass\n\n" + GOOD.replace("add", "sum") + "a = 1\n"
        text += "def none(a):\n    return a\n" + "def broken(\n" + '    """a\n'
        record = {"package": "p", "path": "p/a.py", "text": text}
        heads = [pair["head"] for pair in instruct.candidates(record)]
        self.assertEqual(heads, ["sum(a, b=1, *rest)"])

    def test_sentences(self):
        self.assertEqual(instruct.does("Returns the sum"), "returns the sum")
        self.assertEqual(instruct.does("Copy x"), "copies x")
        self.assertEqual(instruct.does("Display x"), "displays x")
        self.assertEqual(instruct.does("Search x"), "searches x")
        self.assertIsNone(instruct.does("True if x"))
        self.assertIsNone(instruct.first_sentence("Do it, e.g. this way now"))
        said = {instruct.phrase("Return the sum", "add(a)", i) for i in range(8)}
        self.assertIn("Write a Python function `add(a)` that returns the sum.", said)
        self.assertEqual(len(said), 7)

    def test_chosen(self):
        one = {
            "package": "p",
            "path": "a",
            "head": "f(x)",
            "code": "def f(x):\n    x",
            "foreign": 0,
        }
        other = {**one, "head": "g(x)", "code": "def g(x):\n    x"}  # the same body
        far = {**one, "head": "h(x)", "code": "def h(x):\n    y", "foreign": 2}
        got = list(instruct.chosen([far, one, other]))
        self.assertEqual([pair["foreign"] for pair in got], [0, 2])


class Rows(unittest.TestCase):
    def test_only_answers_are_asked_for(self):
        marked = [token | instruct.IN_ANSWER for token in (7, tokens.EOT)]
        rows = torch.tensor([[tokens.BOS, 5, *marked, tokens.PAD, tokens.PAD]])
        ids, targets = tune.split(rows)
        none = models.NO_TARGET
        self.assertEqual(ids.tolist(), [[tokens.BOS, 5, 7, tokens.EOT, tokens.PAD]])
        self.assertEqual(targets.tolist(), [[none, 7, tokens.EOT, none, none]])

    def test_epochs(self):
        whole = tune.order_of_rows(5, 0, 15, 1)
        for epoch in whole.reshape(3, 5):
            self.assertEqual(sorted(epoch), list(range(5)))
        parts = [tune.order_of_rows(5, first, 3, 1) for first in range(0, 15, 3)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)

    def test_rate(self):
        plan = tune.TunePlan(models.Config(1, 64, 1, 1, 64), 1000, 1024, 1.0)
        self.assertAlmostEqual(plan.lr_at(24), 1)
        self.assertAlmostEqual(plan.lr_at(25), 1)
        self.assertAlmostEqual(plan.lr_at(999), plan.last, places=4)


def make_run(folder):
    """Corpus, tokenizer and a base model."""
    (folder / "corpus").mkdir()
    # One function is in both: what is measured is not learnt.
    for side, tail in (("train", ""), ("held_out", "[0]")):
        with open(folder / f"corpus/{side}.jsonl", "w", encoding="utf-8") as file:
            for i in range(60):
                text = f'def f{i}(a):\n    """Get {side} number {i} of it."""\n    return a[{i}]'
                text += "\n" if i == 7 else f"{tail}\n"
                record = {"package": side, "group": 0, "path": f"m{i}.py", "text": text}
                file.write(json.dumps(record) + "\n")
    make_tokenizer().save(str(folder / "tokenizer.json"))
    config = models.Config(2, 64, 2, 1, 96)
    state = {
        "config": train.dataclasses.asdict(config),
        "context": 4096,
        "rope": models.ROPE_LONG,
        "step": 1,
        "model": models.Model(config, seed=3).state_dict(),
    }
    torch.save(state, folder / "base.pt")
    run_script("instruct.py", folder)


def run_script(name, *arguments):
    command = [sys.executable, str(HERE / name), *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)


class Tuning(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        make_run(self.folder)

    def tune(self, name, *more):
        options = ["--epochs", "1", "--tokens-per-step", "1024", "--measure-every", "0"]
        base = self.folder / "base.pt"
        run_script("tune.py", self.folder, base, "--name", name, *options, *more)

    def test_pairs_and_resume(self):
        pairs = list(tokens.read_records(self.folder / "pairs/train.jsonl"))
        self.assertEqual(len(pairs), 59)
        ids = tune.read_rows(self.folder).flatten() & (instruct.IN_ANSWER - 1)
        text = make_tokenizer().decode([t for t in ids.tolist() if t < tokens.N_ORDINARY])
        for pair in pairs:
            self.assertIn(
                f"{chat.prompt(pair['instruction'])}```python\n{pair['code']}\n```\n", text
            )
        self.tune("whole")
        self.tune("parts", "--stop-at", "3")
        self.assertFalse((self.folder / "parts/model.pt").exists())
        self.tune("parts")
        whole, parts = (
            torch.load(self.folder / name / "model.pt", weights_only=True)
            for name in ("whole", "parts")
        )
        self.assertGreater(whole["step"], 3)
        self.assertEqual(whole["context"], 4096)
        base = torch.load(self.folder / "base.pt", weights_only=True)
        for name, weight in whole["model"].items():
            self.assertTrue(torch.equal(weight, parts["model"][name]), name)
            self.assertFalse(torch.equal(weight, base["model"][name]), name)


if __name__ == "__main__":
    unittest.main()
