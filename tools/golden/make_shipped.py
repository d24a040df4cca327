#!/usr/bin/env python3
"""Writes tests/golden/shipped.json: what PyTorch makes of the base model that ships with Lemnos.

    pip install -r tools/train/requirements.txt
    python tools/golden/make_shipped.py --lemnos build/release/lemnos

The weights are those of the file, dequantised to float32; the model is that of tools/train, with
the RoPE it was trained with. Of each prompt there are 64 greedy tokens, and by how much the first
is ahead of the second in logits. `error` is the largest difference between the log-probabilities of
PyTorch and of Lemnos on these weights in F32, with K and V in f32, over the 20 likeliest tokens of
every step behind every fifth prompt.
"""

import argparse
import importlib.metadata
import json
import pathlib
import subprocess
import sys
import tempfile

import gguf
import numpy as np
import tokenizers
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/train"))

import model as models  # noqa: E402
import tokens  # noqa: E402

N_NEW = 64
N_TOLD = 20  # as many log-probabilities as the program tells
MEASURE_EACH = 5
TIE = 1e-3  # PyTorch itself may find two tokens this close the other way round in another batch

BEGIN, HOLE, END = (tokens.SPECIALS[i] for i in (3, 2, 4))


def fim(prefix, suffix):
    return f"{BEGIN}{prefix}{HOLE}{suffix}{END}"


# Text of many kinds: code at its beginning and in the middle, classes, imports, tests, comments,
# tables, other letters, broken code, a single character; six with a hole.
PROMPTS = {
    "import": "import os\nimport sys\nimport ",
    "function": "def is_prime(n):\n",
    "docstring": 'def mean(values):\n    """Return the arithmetic mean of values."""\n',
    "class": "class Bag:\n    def __init__(self):\n        self.items = []\n\n    def pop(self):\n",
    "loop": "total = 0\nfor i in range(10):\n    total ",
    "exception": "try:\n    value = int(text)\nexcept ",
    "test": "class TestQueue(unittest.TestCase):\n    def test_empty(self):\n        ",
    "comment": "# Read the configuration, and fall back to the default\n",
    "dictionary": 'COLORS = {\n    "red": (255, 0, 0),\n    "green": (0, 255, 0),\n',
    "arguments": 'parser = argparse.ArgumentParser()\nparser.add_argument("--output", ',
    "letters": 'NAMES = ["Łódź", "Αθήνα", "東京", "',
    "path": "# geometry/point.py\nimport math\n\n\nclass Point:\n",
    "one character": "@",
    "broken": "def f(((\n  else: 0x1F +\t}}\n",
    "hole in a line": fim(
        "def area(width, height):\n    return ", "\n\n\nprint(area(3, 4))\n"
    ),
    "hole of a body": fim(
        'def read_lines(path):\n    """Return the lines of a file."""\n',
        "\n\n\ndef write_lines(path, lines):\n    with open(path, 'w') as file:\n"
        "        file.writelines(lines)\n",
    ),
    "hole in a loop": fim(
        "def count_words(text):\n    counts = {}\n    for word in text.split():\n        ",
        "\n    return counts\n",
    ),
    "hole at the end": fim("class Node:\n    def __init__(self, x):\n        self.x = ", ""),
    "hole at the beginning": fim("", '\n\nif __name__ == "__main__":\n    main()\n'),
    "hole in a condition": fim(
        "def clamp(x, low, high):\n    if ", ":\n        return low\n    return min(x, high)\n"
    ),
}  # fmt: skip


class Base:
    """The model of a GGUF file as PyTorch has it."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.tensors = {
            tensor.name: torch.from_numpy(
                np.array(gguf.quants.dequantize(tensor.data, tensor.tensor_type), np.float32)
            )
            for tensor in reader.tensors
        }
        self.model = models.Model(self.config(reader))
        self.model.load_state_dict(self.state())
        self.model.set_rope(1024, **models.ROPE_LONG)
        self.tokenizer = tokenizer_of(reader)

    def config(self, reader):
        def number(key):
            return reader.get_field(f"llama.{key}").contents()

        return models.Config(
            number("block_count"),
            number("embedding_length"),
            number("attention.head_count"),
            number("attention.head_count_kv"),
            number("feed_forward_length"),
            n_vocab=self.tensors["token_embd.weight"].shape[0],
        )

    def state(self):
        """The way back of export.py: model.py's names, with q and k in halves."""
        head_dim = models.Config.head_dim
        state = {
            "embedding": self.tensors["token_embd.weight"],
            "output_norm": self.tensors["output_norm.weight"],
        }
        n_layer = sum(name.endswith(".attn_norm.weight") for name in self.tensors)
        for i in range(n_layer):

            def of(name, block=f"blk.{i}"):
                return self.tensors[f"{block}.{name}.weight"]

            def halves(rows):
                pairs = rows.reshape(-1, head_dim // 2, 2, rows.shape[1])
                return pairs.swapaxes(1, 2).reshape(rows.shape)

            layer = {
                "attn_norm": of("attn_norm"),
                "ffn_norm": of("ffn_norm"),
                "qkv.weight": torch.cat((halves(of("attn_q")), halves(of("attn_k")), of("attn_v"))),
                "out.weight": of("attn_output"),
                "gate_up.weight": torch.cat((of("ffn_gate"), of("ffn_up"))),
                "down.weight": of("ffn_down"),
            }
            state.update({f"layers.{i}.{name}": value for name, value in layer.items()})
        return state

    def encode(self, text):
        """With BOS; spellings of the markers of a hole are those tokens."""
        ids = [tokens.BOS]
        for piece in split_markers(text):
            if piece in tokens.SPECIALS:
                ids.append(tokens.N_ORDINARY + tokens.SPECIALS.index(piece))
            else:
                ids += self.tokenizer.encode(piece).ids
        return ids

    def decode(self, ids):
        return self.tokenizer.decode([i for i in ids if i < tokens.N_ORDINARY])

    @torch.no_grad()
    def steps(self, prompt, new):
        """Log-probabilities f64 [len(new)][n_vocab] of the steps to `new` behind `prompt`."""
        logits = self.model(torch.tensor([prompt + new[:-1]]))[0, len(prompt) - 1 :]
        return logits.double().log_softmax(-1)


def gaps_of(steps, new):
    """How far each token of `new` is ahead of the best other."""
    own = steps.gather(1, torch.tensor(new)[:, None])
    others = steps.scatter(1, torch.tensor(new)[:, None], -torch.inf).amax(1)
    gaps = own[:, 0] - others
    if not bool((gaps > -TIE).all()):
        raise SystemExit(f"one after another these are not the likeliest tokens: {new}")
    return [float(f"{max(gap, 0.0):.6g}") for gap in gaps.tolist()]


def split_markers(text):
    for marker in (BEGIN, HOLE, END):
        text = text.replace(marker, f"\0{marker}\0")
    return [piece for piece in text.split("\0") if piece]


def tokenizer_of(reader):
    """From the file's vocabulary; without its specials."""
    spellings = reader.get_field("tokenizer.ggml.tokens").contents()[: tokens.N_ORDINARY]
    merges = reader.get_field("tokenizer.ggml.merges").contents()
    vocab = {spelling: i for i, spelling in enumerate(spellings)}
    pairs = [tuple(merge.split(" ")) for merge in merges]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab, pairs))
    tokenizer.pre_tokenizer = tokens.pre_tokenizer()
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    return tokenizer


def error_of(lemnos, floats, text, new, steps):
    """The largest difference of a log-probability, up to where the tokens part."""
    command = [lemnos, "run", "-m", floats, "--kv", "f32", "-n", str(N_NEW), "--ignore-end"]
    command += ["--json", "--logprobs", str(N_TOLD), "--", text]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    answer = json.loads(done.stdout)
    worst = 0.0
    for token, want, told in zip(new, steps, answer["logprobs"]):
        for each in told["top"]:
            error = abs(each["logprob"] - float(want[each["token"]]))
            worst = worst if error <= worst else error  # negated, so that a NaN counts
        if told["token"] != token:
            print(f"  another token than PyTorch's: {told['token']} instead of {token}")
            break  # from here on the texts differ
    return worst


def fingerprint(path):
    """FNV-1a 64 of the file."""
    fnv = 0xCBF29CE484222325
    for byte in path.read_bytes():
        fnv = (fnv ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{fnv:016x}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lemnos", required=True, help="the built program")
    parser.add_argument(
        "--model", type=pathlib.Path, default=ROOT / "assets/lemnos-nano-base-Q8_0.gguf"
    )
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "tests/golden/shipped.json")
    args = parser.parse_args()

    base = Base(args.model)
    found, worst = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        floats = pathlib.Path(folder) / "floats.gguf"
        quantize = [args.lemnos, "quantize", args.model, floats, "--type", "F32"]
        subprocess.run([*quantize, "--allow-requantize"], check=True)
        prompts = {name: base.encode(text) for name, text in PROMPTS.items()}
        greedy = base.model.greedy(list(prompts.values()), N_NEW, stops=())
        for i, (name, prompt) in enumerate(prompts.items()):
            new = greedy[i]
            steps = base.steps(prompt, new)
            gaps = gaps_of(steps, new)
            if i % MEASURE_EACH == 0:
                worst = max(worst, error_of(args.lemnos, floats, PROMPTS[name], new, steps))
            print(f"{name}: smallest gap {min(gaps):.2g}; {base.decode(new)!r}", flush=True)
            found.append(
                {"name": name, "text": PROMPTS[name], "prompt": prompt, "new": new, "gaps": gaps}
            )
    clear = sum(gap > 4 * worst for each in found for gap in each["gaps"])
    print(f"error {worst:.3g}; {clear} of {len(found) * N_NEW} gaps exceed four times that")
    versions = {name: importlib.metadata.version(name) for name in ("torch", "gguf", "tokenizers")}
    write(args.out, {
        "made by": "python tools/golden/make_shipped.py --lemnos PROGRAM",
        "with": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "model": args.model.name,
        "fingerprint": fingerprint(args.model),
        "error": float(f"{worst:.3g}"),
        "prompts": found,
    })  # fmt: skip


def write(path, golden):
    """A line for each list."""
    prompts = golden.pop("prompts")
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in golden.items()]
    lines.append(' "prompts": [')
    for i, prompt in enumerate(prompts):
        rows = [f"   {json.dumps(k)}: {json.dumps(v)}" for k, v in prompt.items()]
        comma = "," if i + 1 < len(prompts) else ""
        lines.append("  {\n" + ",\n".join(rows) + "\n  }" + comma)
    path.write_text("{\n" + "\n".join(lines) + "\n ]\n}\n", encoding="ascii")


if __name__ == "__main__":
    main()
