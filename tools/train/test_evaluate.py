"""The rules of the evaluation."""

import unittest

import numpy as np
import torch

import evaluate
import model as models
import tokens

BEFORE = "def f(x):\n"


class Parses(unittest.TestCase):
    def parses(self, new, ended=False):
        return evaluate.completion_parses(BEFORE, new, ended)

    def test_unfinished_last_line_goes(self):
        self.assertTrue(self.parses("    a = 1\n    b = 2\n    c = ("))
        self.assertFalse(self.parses("    a = 1\n    b = 2\n    c = (", ended=True))

    def test_only_the_last(self):
        self.assertFalse(self.parses("    a = (\n    b = 2\n    c = 3\n    d"))

    def test_two_lines_must_be_left(self):
        self.assertFalse(self.parses(""))
        self.assertFalse(self.parses("    a = 1\n\n    b"))
        self.assertTrue(self.parses("    a = 1\n    b = 2", ended=True))


class Choices(unittest.TestCase):
    RECORD = {
        "package": "p",
        "path": "p/a.py",
        "text": "".join(
            f"def function_{i}(argument):\n    first = {i}\n    return first + argument\n"
            for i in range(9)
        ),
    }

    def test_lines(self):
        (item,) = evaluate.choose_lines([self.RECORD], 5, np.random.default_rng(1))
        self.assertEqual("".join(item[1:]), self.RECORD["text"])

    def test_functions(self):
        (item,) = evaluate.choose_functions([self.RECORD], 5, np.random.default_rng(1))
        self.assertTrue(item[1].endswith("(argument):\n"))
        self.assertEqual(item[1] + item[2], self.RECORD["text"])


class Greedy(unittest.TestCase):
    def test_cache_equals_whole(self):
        torch.manual_seed(4)
        model = models.Model(models.Config(2, 64, 2, 1, 96), seed=4)
        with torch.no_grad():
            model.embedding.mul_(20)
        model.set_rope(256, **models.ROPE_LONG)
        ids = [tokens.BOS] + [int(t) for t in torch.randint(0, 4096, (30,))]
        new = model.greedy(ids, 12, set())
        logits = model(torch.tensor([ids + new]))[0]
        self.assertEqual(new, logits.argmax(-1)[len(ids) - 1 : -1].tolist())
        self.assertEqual(model.greedy(ids, 12, {new[5]}), new[: new.index(new[5])])


if __name__ == "__main__":
    unittest.main()
