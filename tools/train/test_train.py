"""Packing, training and export, on a corpus of a few lines."""

import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import gguf
import numpy as np
import torch

import export
import measure
import model as models
import pack
import tokens
import train

HERE = pathlib.Path(__file__).resolve().parent
WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa".split()


def source(rng, n_lines):
    """Lines of code-like text that repeat little."""
    lines = []
    for i in range(n_lines):
        a, b, c = rng.choice(WORDS, 3)
        lines.append(f"    {a}_{rng.integers(100)} = {b}({c}, {rng.integers(1000)})  # ü {i}")
    return "def f():\n" + "\n".join(lines) + "\n"


def make_run(folder):
    """A corpus and a tokenizer without merges but with all its ids, packed for both phases."""
    rng = np.random.default_rng(7)
    (folder / "corpus").mkdir(parents=True)
    for side, n in (("train", 12), ("held_out", 1)):
        with open(folder / f"corpus/{side}.jsonl", "w", encoding="utf-8") as file:
            for i in range(n):
                record = {
                    "package": side,
                    "group": i % 2,
                    "path": f"p/m{i}.py",
                    "text": source(rng, 30),
                }
                file.write(json.dumps(record) + "\n")
    make_tokenizer().save(str(folder / "tokenizer.json"))
    for context in (32, 128, 512):
        command = [sys.executable, str(HERE / "pack.py"), str(folder), "--context", str(context)]
        for name, share in (("ctx", "0"), ("line", "0.8")):
            more = ["--parts", "1", "--files", "6", "--name", name, "--line-share", share]
            subprocess.run(command + more, check=True, capture_output=True)


def make_tokenizer():
    alphabet = sorted(tokens.pre_tokenizers.ByteLevel.alphabet())
    vocab = {symbol: i for i, symbol in enumerate(alphabet)}
    tokenizer = tokens.tokenizers.Tokenizer(tokens.models.BPE(vocab, []))
    tokenizer.pre_tokenizer = tokens.pre_tokenizer()
    tokenizer.decoder = tokens.tokenizers.decoders.ByteLevel()
    return tokenizer


def run_training(folder, name, *more):
    command = [sys.executable, str(HERE / "train.py"), str(folder), "--preset", "tiny"]
    command += ["--steps", "8", "--tokens-per-step", "1024", "--extend-at", "0.75"]
    command += ["--measure-windows", "0", "--name", name, *more]
    subprocess.run(command, check=True, capture_output=True)
    return torch.load(folder / name / "checkpoint.pt", weights_only=True)


class Tokens(unittest.TestCase):
    def test_pieces(self):
        pieces = [piece for piece, _ in tokens.pre_tokenizer().pre_tokenize_str("x  = 10_a\r\n b")]
        self.assertEqual(pieces, ["x", "ĠĠ=Ġ", "1", "0", "_", "a", "č", "Ċ", "Ġb"])


class Packing(unittest.TestCase):
    def test_middle(self):
        rng = np.random.default_rng(3)
        text = source(rng, 12)
        for _ in range(500):
            a, b = pack.choose_middle(text, 0.0, rng)
            self.assertTrue(0 <= a <= b <= len(text))
            a, b = pack.choose_middle(text, 1.0, rng)
            self.assertTrue(0 <= a < b < len(text))
            self.assertNotIn("\n", text[a:b])
            self.assertEqual(text[b], "\n")
        self.assertEqual(pack.choose_line("\n  \n", rng), None)

    def test_rows(self):
        rows = pack.Rows(10)
        for n in (9, 4, 3, 3, 1):
            rows.add([n] * n)
        self.assertEqual(sorted(map(len, rows.rows)), [10, 10])

    def test_shuffled(self):
        sections = [pack.Section("s", [f"{i}.{k}" * 9000 for k in range(5)], True) for i in "ab"]
        mixed = list(pack.shuffled(sections, np.random.default_rng(1)))
        files = [[text for s in some for text in s.files] for some in (sections, mixed)]
        self.assertEqual(sorted(files[0]), sorted(files[1]))
        self.assertNotEqual(files[0], files[1])
        self.assertGreater(len(mixed), 1)

    def test_documents_hold_the_text(self):
        rng = np.random.default_rng(5)
        tokenizer = make_tokenizer()
        newline = tokenizer.encode("\n").ids[0]
        text = source(rng, 60)
        stream = pack.Stream(tokenizer, newline, pack.Section("s", [text], True))
        seen = ""
        for kind, what in pack.documents(stream, 256, 0.5, 0.5, rng):
            if kind == "fim":
                prefix, suffix, middle = what
                self.assertIn(prefix + middle + suffix, text)
            else:
                self.assertEqual(what[0], tokens.BOS)
                seen = tokenizer.decode([t for t in what if t < tokens.N_ORDINARY])
                self.assertIn(seen, text)
        for ids in pack.encode_fim(tokenizer, [("ab", "c" * 500, "d")], 257):
            self.assertEqual(len(ids), 257)
            self.assertEqual(ids[:2], [tokens.BOS, tokens.BEGIN])
            self.assertEqual(ids[-1], tokens.EOS)
            order = [t for t in ids if t in (tokens.BEGIN, tokens.HOLE, tokens.END)]
            self.assertEqual(order, [tokens.BEGIN, tokens.HOLE, tokens.END])


class Measure(unittest.TestCase):
    def test_every_token_once(self):
        for n in (1, 1023, 1024, 1535, 1536, 5000):
            ids = np.arange(n, dtype=np.uint16)
            scored = np.concatenate([w[len(w) - k :] for w, k in measure.windows(ids)])
            np.testing.assert_array_equal(scored, ids)
            self.assertTrue(all(w[0] == tokens.BOS for w, _ in measure.windows(ids)))

    def test_uniform_model(self):
        # Equal logits cost log2(n_vocab) bits a token, whatever is padded.
        model = models.Model(models.Config(1, 64, 1, 1, 64))
        model.set_rope(1024, **models.ROPE_SHORT)
        torch.nn.init.zeros_(model.output_norm)
        chosen = [(np.arange(20), 19, 19), (np.arange(9), 5, 5)]
        got = measure.bits_per_byte(model, chosen)
        self.assertAlmostEqual(got, np.log2(tokens.N_ROWS), places=4)


class Plan(unittest.TestCase):
    def test_rate(self):
        plan = train.Plan(models.Config(1, 64, 1, 1, 64), 1000, 1024, 1.0)
        self.assertAlmostEqual(plan.lr_at(0), 1 / 25)
        self.assertAlmostEqual(plan.lr_at(24), 1)
        self.assertAlmostEqual(plan.lr_at(699), 1)
        self.assertAlmostEqual(plan.lr_at(700), 0.1**0.5)
        self.assertAlmostEqual(plan.lr_at(849), 0.1**0.5)
        self.assertAlmostEqual(plan.lr_at(850), plan.settle_lr)
        self.assertLess(plan.lr_at(plan.n_steps() - 1), 0.04 * plan.settle_lr)

    def test_phases(self):
        plan = train.Plan(models.Config(1, 64, 1, 1, 64), 1000, 2048, 1.0, settle_at=0.87)
        self.assertEqual(plan.n_steps(), 1090)
        short, long = models.ROPE_SHORT, models.ROPE_LONG
        expected = {
            0: (256, short, "ctx"),
            400: (1024, short, "ctx"),
            560: (256, short, "line"),
            849: (1024, short, "line"),
            850: (4096, long, "ctx"),
            870: (256, long, "line"),
            969: (1024, long, "line"),
            1089: (4096, long, "ctx"),
        }
        for step, phase in expected.items():
            self.assertEqual(plan.phase(step), phase)
        # Every row of each kind is taken once.
        taken = {}
        for step in range(plan.n_steps()):
            first, count = plan.first_row(step)
            context, _, name = plan.phase(step)
            taken.setdefault((context, name), []).extend(range(first, first + count))
        self.assertEqual(len(taken), 5)
        for rows in taken.values():
            self.assertEqual(rows, list(range(len(rows))))
        n_tokens = sum(context * len(rows) for (context, _), rows in taken.items())
        self.assertEqual(plan.n_tokens(), n_tokens)
        at_once = dataclasses.replace(plan, extend_at=0.0, settle_at=1.0, settle=0.0)
        self.assertEqual({at_once.phase(step)[0] for step in range(1000)}, {4096})
        never = dataclasses.replace(plan, extend_at=1.0, settle_at=1.0, settle=0.0)
        self.assertEqual({never.phase(step)[0] for step in range(1000)}, {256, 1024})

    def test_middles_weigh_more(self):
        plan = dataclasses.replace(train.PRESETS["tiny"], middle_weight=3.0)
        fim = [tokens.BOS, tokens.BEGIN, 5, tokens.HOLE, 6, tokens.END, 7, 8, tokens.EOS]
        rows = torch.tensor([fim + [tokens.BOS, 4, tokens.EOS, 9, tokens.PAD]])
        weights = plan.weights(rows, plan.steps - 1)
        self.assertEqual(weights.tolist(), [[1, 1, 1, 1, 1, 3, 3, 3, 1, 1, 1, 1, 1]])
        self.assertIsNone(plan.weights(rows, 0))

    def test_copies(self):
        plan = train.Plan(models.Config(1, 64, 1, 1, 64), 100, 64, 1.0, context=32)
        rows = torch.arange(18).reshape(2, 9)
        copied = plan.shaped(rows, 3)
        self.assertEqual(copied.shape, (4, 5))
        self.assertEqual(copied[3].tolist(), [13, 14, 13, 14, 13])
        self.assertIs(plan.shaped(rows, 4), rows)


class Resume(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        make_run(self.folder)

    def test_same_weights(self):
        whole = run_training(self.folder, "whole")
        for stop in ("3", "6"):  # inside the first phase, and where the second begins
            run_training(self.folder, "parts", "--stop-at", stop)
        parts = run_training(self.folder, "parts")
        self.assertEqual(parts["step"], 8)
        for name, weight in whole["model"].items():
            self.assertTrue(torch.equal(weight, parts["model"][name]), name)
        losses = [[row["loss"] for row in state["curve"]] for state in (whole, parts)]
        self.assertEqual(*losses)
        other = run_training(self.folder, "other", "--seed", "2")
        self.assertFalse(torch.equal(whole["model"]["embedding"], other["model"]["embedding"]))
        begin = str(self.folder / "whole/model.pt")
        more = run_training(self.folder, "more", "--begin", begin, "--stop-at", "0")
        self.assertTrue(torch.equal(whole["model"]["embedding"], more["model"]["embedding"]))


class Export(unittest.TestCase):
    def test_rope_of_neighbours(self):
        """q.k of model.py equals that of reordered rows rotated in neighbouring pairs."""
        config = models.Config(1, 64, 2, 2, 64)
        torch.manual_seed(1)
        weight = torch.randn(128, 64)
        x = torch.randn(1, 9, 64)
        rope = models.rope_table(config, 9, 1e5, 4.0)
        halves = models.rotate((x @ weight.T).view(1, 9, 2, 64).transpose(1, 2), rope)
        mixed = torch.from_numpy(export.interleave(weight.numpy(), 2, 64))
        pairs = (x @ mixed.T).view(9, 2, 32, 2)
        turned = torch.view_as_complex(pairs) * torch.complex(*rope)[:, None]
        turned = torch.view_as_real(turned).flatten(2).transpose(0, 1)
        want = halves[0] @ halves[0].transpose(-1, -2)
        torch.testing.assert_close(turned @ turned.transpose(-1, -2), want, rtol=1e-4, atol=1e-3)

    def test_file(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            make_tokenizer().save(str(folder / "tokenizer.json"))
            config = models.Config(2, 64, 2, 1, 96)
            model = models.Model(config)
            state = {
                "config": train.dataclasses.asdict(config),
                "context": 4096,
                "rope": models.ROPE_LONG,
                "model": model.state_dict(),
            }
            out = folder / "x.gguf"
            export.write(state, folder / "tokenizer.json", out, "F16", "x")
            reader = gguf.GGUFReader(out)
            self.assertEqual(reader.get_field("llama.rope.scaling.factor").contents(), 4.0)
            self.assertEqual(reader.get_field("tokenizer.ggml.pre").contents(), "deepseek-coder")
            tensors = {t.name: t for t in reader.tensors}
            self.assertEqual(len(tensors), 2 + 9 * 2)
            self.assertNotIn("output.weight", tensors)
            total = sum(int(t.n_elements) for t in reader.tensors)
            self.assertEqual(total, config.n_parameters())


if __name__ == "__main__":
    unittest.main()
