"""The rules of the evaluation."""

import dataclasses
import json
import pathlib
import stat
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import torch

import bits
import choices
import measure
import model as models
import tokens
from test_train import HERE, make_tokenizer

BEFORE = "def f(x):\n"


class Parses(unittest.TestCase):
    def parses(self, new, ended=False, logical=False):
        return choices.completion_parses(BEFORE, new, ended, logical)

    def test_unfinished_last_line_goes(self):
        self.assertTrue(self.parses("    a = 1\n    b = 2\n    c = ("))
        self.assertFalse(self.parses("    a = 1\n    b = 2\n    c = (", ended=True))

    def test_only_the_last(self):
        self.assertFalse(self.parses("    a = (\n    b = 2\n    c = 3\n    d"))
        self.assertFalse(self.parses("    a = 1\n    b = 2\n    if c:\n        d"))

    def test_two_lines_must_be_left(self):
        self.assertFalse(self.parses(""))
        self.assertFalse(self.parses("    a = 1\n\n    b"))
        self.assertTrue(self.parses("    a = 1\n    b = 2", ended=True))

    def test_logical_lines(self):
        open_call = "    a = 1\n    b = 2\n    c = f(\n        1,\n        2"
        self.assertFalse(self.parses(open_call))
        self.assertTrue(self.parses(open_call, logical=True))
        self.assertFalse(self.parses("    a = (\n    b = 2\n    c = 3\n    d", logical=True))
        self.assertFalse(self.parses("    a = 1\n    b = f(\n        1,\n    2", logical=True))
        self.assertTrue(self.parses('    a = 1\n    b = 2\n    c = """x\n  y\n', logical=True))

    def test_functions(self):
        self.assertEqual(choices.function_of("def f(a):\n    return a").name, "f")
        for code in (None, "", "a = 1", "def f(:\n", "def f():\n    pass", 'def f():\n    "x"\n'):
            self.assertIsNone(choices.function_of(code), code)


def record_of(text):
    return {"package": "p", "group": 0, "path": "p/a.py", "text": text}


class Choices(unittest.TestCase):
    RECORD = record_of(
        "".join(
            f"def function_{i}(argument):\n    first = {i}\n    return first + argument\n"
            for i in range(9)
        )
    )

    def test_lines(self):
        (item,) = choices.choose_lines([self.RECORD], 5)
        self.assertEqual("".join(item[1:]), self.RECORD["text"])

    def test_functions(self):
        (item,) = choices.choose_places([self.RECORD], 5, choices.FUNCTION)
        self.assertTrue(item[1].endswith("(argument):\n"))
        self.assertEqual(item[1] + item[2], self.RECORD["text"])

    def test_statements(self):
        (item,) = choices.choose_places([self.RECORD], 5, choices.STATEMENT)
        self.assertRegex(item[1].splitlines()[-1], "    (first =|return)")
        self.assertEqual(item[1] + item[2], self.RECORD["text"])
        open_try = record_of("try:\n" + "    a = 1\n" * 20 + "except E:\n    pass\n")
        self.assertEqual(choices.choose_places([open_try], 5, choices.STATEMENT), [])


def make_model():
    torch.manual_seed(4)
    model = models.Model(models.Config(2, 64, 2, 1, 96), seed=4)
    with torch.no_grad():
        model.embedding.mul_(20)
    model.set_rope(256, **models.ROPE_LONG)
    return model


class Greedy(unittest.TestCase):
    def test_batch_equals_whole(self):
        model = make_model()
        prompts = []
        for n in (30, 7, 19, 30):
            ids = torch.randint(0, 4096, (n,)).tolist()
            prompts.append([tokens.BOS] + ids)
        news = model.greedy(prompts, 12, set(), batch=3)
        for ids, new in zip(prompts, news):
            logits = model(torch.tensor([ids + new]))[0]
            self.assertEqual(new, logits.argmax(-1)[len(ids) - 1 : -1].tolist())
        stop = news[0][5]
        self.assertEqual(model.greedy(prompts[:1], 12, {stop}), [news[0][: news[0].index(stop)]])


class Bits(unittest.TestCase):
    def test_windows_of_lemnos(self):
        """A stand-in answers as `lemnos perplexity` does; counts that differ are refused."""
        said = {"windows": [{"tokens": 5, "nll": 10.0}, {"tokens": 2, "nll": 4.0}], "bytes": 9}
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "lemnos"
            path.write_text(f"#!/bin/sh\necho '{json.dumps(said)}'\n")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
            theirs = bits.by_lemnos(str(path), pathlib.Path("x.gguf"), ["text"])
        self.assertAlmostEqual(bits.per_byte(theirs), 14 / np.log(2) / 9)
        bits.check_same([bits.Score([(5, 1.0), (2, 1.0)], 9)], theirs)
        for windows, n_bytes in (([(5, 1.0)], 9), ([(5, 1.0), (2, 1.0)], 8)):
            with self.assertRaises(SystemExit):
                bits.check_same([bits.Score(windows, n_bytes)], theirs)

    def test_nats_of_each(self):
        model = make_model()
        model.set_rope(1024, **models.ROPE_LONG)
        rng = np.random.default_rng(3)
        chosen = [(rng.integers(0, 4096, n), n - 3, n) for n in (9, 30, 12)]
        costs = measure.nats(model, chosen, batch=2)
        for (ids, n, _), cost in zip(chosen, costs):
            logs = model(torch.from_numpy(ids[None, :-1]))[0].log_softmax(-1)
            want = -sum(float(logs[i - 1, ids[i]].detach()) for i in range(len(ids) - n, len(ids)))
            self.assertAlmostEqual(cost, want, delta=1e-3 * want)


def make_run(folder):
    """A held-out corpus of two long files, pairs, a tokenizer of bytes and a model."""
    rng = np.random.default_rng(5)
    for name in ("corpus", "pairs"):
        (folder / name).mkdir()
    with open(folder / "corpus/held_out.jsonl", "w", encoding="utf-8") as file:
        for i in range(2):
            functions = [
                f'def f{k}(a):\n    """Do {k}."""\n    total = {rng.integers(9999)} + a\n'
                "    return total\n\n\n"
                for k in range(60)
            ]
            record = {**record_of("".join(functions)), "path": f"p/m{i}.py"}
            file.write(json.dumps(record) + "\n")
    pair = {"instruction": "Write `f(a)`.", "head": "f(a)", "code": "def f(a):\n    return a"}
    (folder / "pairs/held_out.jsonl").write_text(f"{json.dumps(pair)}\n" * 3)
    make_tokenizer().save(str(folder / "tokenizer.json"))
    config = models.Config(1, 64, 1, 1, 64)
    state = {
        "config": dataclasses.asdict(config),
        "context": 4096,
        "rope": models.ROPE_LONG,
        "model": models.Model(config).state_dict(),
    }
    torch.save(state, folder / "model.pt")


class Whole(unittest.TestCase):
    def check_other_model(self, folder, command):
        """What was measured of another model is dropped, of the same one kept."""
        state = torch.load(folder / "model.pt", weights_only=True)
        state["model"]["embedding"] *= 2
        torch.save(state, folder / "other.pt")
        command = [str(folder / "other.pt") if i == 3 else part for i, part in enumerate(command)]
        command[command.index("--instruct") + 1] = str(folder / "model.pt")
        subprocess.run(command, check=True, capture_output=True)
        results = json.loads((folder / "evaluation.json").read_text())
        self.assertEqual(set(results), {"models", "order", "answers"})

    def test_every_part(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            make_run(folder)
            model = str(folder / "model.pt")
            command = [sys.executable, str(HERE / "evaluate.py"), str(folder), model]
            command += ["--instruct", model, "--lines", "2", "--completions", "2"]
            command += ["--answers", "2", "--document-chars", "3000", "--files", "1"]
            # Part by part; what is there already is kept, and not measured again.
            subprocess.run([*command, "--only", "order"], check=True, capture_output=True)
            subprocess.run([*command, "--only", "lines"], check=True, capture_output=True)
            rest = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            results = json.loads((folder / "evaluation.json").read_text())
            report = (folder / "evaluation.md").read_text()
            texts = (folder / "evaluation-answers.md").read_text()
            self.check_other_model(folder, [*command, "--only", "order"])
        self.assertNotRegex(rest, "(?m)^(lines|order):")
        self.assertEqual(texts.count("## answer: False"), 2)
        self.assertEqual(results["lines"]["infill"]["of"], 2)
        # A model that knows nothing, and lines of at least eight bytes, which are tokens, and an end.
        self.assertGreater(results["costs"]["infill"], 9 * 0.9 * np.log(tokens.N_ROWS))
        self.assertEqual(results["completions"][choices.STATEMENT]["truth"]["of"], 2)
        self.assertEqual(results["answers"]["function and end"], {"good": 0, "of": 2, "share": 0.0})
        # A model that knows nothing: log2 of the vocabulary for each byte, which is a token here.
        for bits_per_byte in (results["bits"]["pytorch"], results["order"]["alone"]):
            self.assertAlmostEqual(bits_per_byte, np.log2(tokens.N_ROWS), delta=1)
        self.assertEqual(results["order"]["files"], 1)
        self.assertIn("| completions behind a statement that parse | 0.0% (0 of 2) |", report)


if __name__ == "__main__":
    unittest.main()
