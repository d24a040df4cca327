#!/usr/bin/env python3
"""Prints the tables of docs/models.md: size, plan and the memory that each model needs.

    python3 tools/models_table.py build/release/lemnos > tables.md

For each model and type the program writes the header of a GGUF file, with a hole where the weights
would stand, and asks `lemnos info --json` for the plan. Which format each tensor has is not
written down here: it is read from what `lemnos quantize` makes of a small model with as many
layers, the same ratio of heads and the same remainder of the widths by 256, which is all that
those rules look at. The plan is that of the first device, most of it the same on all: tensors are
laid out alike everywhere, scratch and staging differ a little.
"""

import concurrent.futures
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

TYPES = ["F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "Q3_K_M", "Q2_K"]
CONTEXTS = [4096, 16384]
MEMORY_GB = [4, 6, 8, 10, 12, 16, 24, 32, 48, 80]
GIB = 1 << 30

# name: layers, hidden, intermediate, heads, KV heads, vocabulary, context, RoPE base, factor
MODELS = {
    "deepseek-coder-1.3b": (24, 2048, 5504, 16, 16, 32256, 16384, 100000, 4),
    "deepseek-coder-5.7bmqa": (32, 4096, 11008, 32, 1, 32256, 16384, 100000, 4),
    "deepseek-coder-6.7b": (32, 4096, 11008, 32, 32, 32256, 16384, 100000, 4),
    "deepseek-coder-33b": (62, 7168, 19200, 56, 8, 32256, 16384, 100000, 4),
    "deepseek-coder-7b-v1.5": (30, 4096, 11008, 32, 32, 102400, 4096, 10000, 1),
}

FORMATS = {  # GGUF's number: weights and bytes of a block
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 30: (1, 2),
}  # fmt: skip


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr}")
    return done.stdout


# ---- GGUF ---------------------------------------------------------------------------------------


class Reader:
    """Reads the tensors' names and formats of a GGUF file."""

    SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

    def __init__(self, data):
        self.data = data
        self.at = 8

    def number(self, form):
        (value,) = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return value

    def text(self):
        size = self.number("Q")
        self.at += size
        return self.data[self.at - size : self.at].decode("utf-8", "replace")

    def skip(self, kind):
        if kind == 8:
            self.text()
        elif kind == 9:
            of, n = self.number("I"), self.number("Q")
            for _ in range(n):
                self.skip(of)
        else:
            self.at += self.SIZES[kind]

    def formats(self):
        n_tensors, n_keys = self.number("Q"), self.number("Q")
        for _ in range(n_keys):
            self.text()
            self.skip(self.number("I"))
        result = {}
        for _ in range(n_tensors):
            name = self.text()
            n_dims = self.number("I")
            self.at += 8 * n_dims
            result[name] = self.number("I")
            self.at += 8
        return result


def text(value):
    return struct.pack("<Q", len(value)) + value.encode()


def key(name, value):
    if isinstance(value, str):
        return text(name) + struct.pack("<I", 8) + text(value)
    if isinstance(value, float):
        return text(name) + struct.pack("<If", 6, value)
    return text(name) + struct.pack("<II", 4, value)


def tensors_of(shape):
    """Name and sizes, fastest first, of every tensor."""
    layers, hidden, ff, heads, kv_heads, vocab, *_ = shape
    kv = 128 * kv_heads
    yield "token_embd.weight", [hidden, vocab]
    yield "output_norm.weight", [hidden]
    yield "output.weight", [hidden, vocab]
    for i in range(layers):
        yield f"blk.{i}.attn_norm.weight", [hidden]
        yield f"blk.{i}.attn_q.weight", [hidden, 128 * heads]
        yield f"blk.{i}.attn_k.weight", [hidden, kv]
        yield f"blk.{i}.attn_v.weight", [hidden, kv]
        yield f"blk.{i}.attn_output.weight", [128 * heads, hidden]
        yield f"blk.{i}.ffn_norm.weight", [hidden]
        yield f"blk.{i}.ffn_gate.weight", [hidden, ff]
        yield f"blk.{i}.ffn_up.weight", [hidden, ff]
        yield f"blk.{i}.ffn_down.weight", [ff, hidden]


def write_hollow(path, name, shape, formats):
    """A GGUF file with these formats and no weights. Returns the bytes of its tensors."""
    layers, hidden, ff, heads, kv_heads, vocab, context, base, factor = shape
    keys = [
        key("general.architecture", "llama"),
        key("general.name", name),
        key("llama.vocab_size", vocab),
        key("llama.context_length", context),
        key("llama.embedding_length", hidden),
        key("llama.block_count", layers),
        key("llama.feed_forward_length", ff),
        key("llama.attention.head_count", heads),
        key("llama.attention.head_count_kv", kv_heads),
        key("llama.attention.layer_norm_rms_epsilon", 1e-6),
        key("llama.rope.freq_base", float(base)),
    ]
    if factor != 1:
        keys.append(key("llama.rope.scaling.type", "linear"))
        keys.append(key("llama.rope.scaling.factor", float(factor)))
    infos, size = [], 0
    for tensor, sizes in tensors_of(shape):
        of = formats[tensor]
        info = text(tensor) + struct.pack("<I", len(sizes))
        info += b"".join(struct.pack("<Q", n) for n in sizes) + struct.pack("<IQ", of, size)
        infos.append(info)
        n_weights = sizes[0] * (sizes[1] if len(sizes) > 1 else 1)
        weights, n_bytes = FORMATS[of]
        size += (n_weights // weights * n_bytes + 31) // 32 * 32
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(keys)) + b"".join(keys + infos)
    head += bytes(-len(head) % 32)
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(len(head) + size)
    return size


# ---- what the program says ----------------------------------------------------------------------


def write_small(lemnos, folder, shape):
    """A small model to which the rules of mixtures apply as they do to this shape."""
    layers, hidden, ff, heads, kv_heads, *_ = shape
    small = folder / "small.json"
    sizes = {"layers": layers, "hidden": 256, "intermediate": 256 + ff % 256, "heads": heads,
             "kv_heads": kv_heads, "head_dim": 64, "vocab": 300, "context": 256,
             "rope_base": 10000, "rope_factor": 1, "tied": False}  # fmt: skip
    if hidden % 256:
        raise SystemExit("hidden sizes are multiples of 256 here")
    # The columns of attn_output have to be a multiple of 256, as they are in the real models.
    sizes["head_dim"] = 128 if heads * 64 % 256 else 64
    small.write_text(json.dumps(sizes))
    run(lemnos, "synth", small, "--format", "F16", "-o", folder / "f16.gguf")


def formats_of(lemnos, folder, kind):
    """The format of each tensor in a file of this type."""
    run(lemnos, "quantize", folder / "f16.gguf", folder / "small.gguf", "--type", kind)
    return Reader((folder / "small.gguf").read_bytes()).formats()


def plan_of(lemnos, path, context, kv):
    told = json.loads(run(lemnos, "info", path, "--json", "-c", context, "--kv", kv))
    return next(d["plan"] for d in told["devices"] if "plan" in d)


def memory_for(total):
    """The smallest usual memory, in GB (taken as GiB, as on the box), that leaves the margin."""
    for size in MEMORY_GB:
        if total + max(GIB // 2, size * GIB // 10) <= size * GIB:
            return f"{size} GB"
    return f"> {MEMORY_GB[-1]} GB"


def plans(lemnos, path, contexts):
    """KV in f16, in q8_0 and the rest in bytes for each context: no matter of the type."""
    result = []
    for context in contexts:
        f16, q8 = (plan_of(lemnos, path, context, kv) for kv in ("f16", "q8_0"))
        rest = f16["scratch_bytes"] + f16["staging_bytes"]
        if f16["weights_bytes"] + f16["kv_bytes"] + rest != f16["total_bytes"]:
            raise SystemExit(f"{path}: the parts of the plan are not its total")
        result.append((f16["kv_bytes"], q8["kv_bytes"], rest))
    return result


def table(lemnos, name, shape):
    """The lines of one model."""
    contexts = [c for c in CONTEXTS if c <= shape[6]]
    head = ["type", "file, GB", "weights"]
    for c in contexts:
        head += [f"KV, {c // 1024}K", "rest", "total", "fits on"]
    lines = [f"### {name}", "", "| " + " | ".join(head) + " |"]
    lines.append("|---" + "|---:" * (len(head) - 1) + "|")
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        write_small(lemnos, folder, shape)
        parts = None
        for kind in TYPES:
            path = folder / "hollow.gguf"
            size = write_hollow(path, name, shape, formats_of(lemnos, folder, kind))
            parts = parts or plans(lemnos, path, contexts)
            weights = plan_of(lemnos, path, contexts[0], "f16")["weights_bytes"]
            cells = [kind, f"{size / 1e9:.2f}", f"{weights / GIB:.2f}"]
            for f16, q8, rest in parts:
                wide, narrow = weights + f16 + rest, weights + q8 + rest
                cells += [f"{f16 / GIB:.2f} / {q8 / GIB:.2f}", f"{rest / GIB:.2f}",
                          f"{wide / GIB:.2f} / {narrow / GIB:.2f}",
                          f"{memory_for(wide)} / {memory_for(narrow)}"]  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    lemnos = pathlib.Path(sys.argv[1]).resolve()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for lines in pool.map(lambda it: table(lemnos, *it), MODELS.items()):
            print(lines, flush=True)


if __name__ == "__main__":
    main()
