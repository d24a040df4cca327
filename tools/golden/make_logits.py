#!/usr/bin/env python3
"""Writes tests/golden/logits*: what Hugging Face transformers makes of our synthetic models.

For every shape and weight format the program writes a GGUF file, which is read here with the
package `gguf`, dequantised to float32, brought into the order of Hugging Face and run through
LlamaForCausalLM on the CPU. Nothing of Lemnos takes part after the file is written.

    pip install torch transformers gguf
    python tools/golden/make_logits.py --lemnos build/release/lemnos

Output: logits.txt (tokens, positions, versions, a fingerprint of each model's weights) and
logits_SHAPE_FORMAT.bin, little-endian f32 [KV in f32, in f16][positions][vocab].
"""

import argparse
import importlib.metadata
import itertools
import pathlib
import platform
import subprocess
import tempfile

import gguf
import numpy as np
import torch
import transformers

# Formats of one family share shaders, so some are seen on one shape only. The 672 columns of
# gqa7's ffn_down are no multiple of 256: formats in blocks of 256 fall back there.
MODELS = [
    *itertools.product(["mha", "gqa7", "mqa32"], ["F32", "F16", "BF16", "Q8_0", "Q4_K", "Q6_K"]),
    ("mha", "Q4_0"),
    ("mqa32", "Q4_1"),
    ("gqa7", "Q5_0"),
    ("mha", "Q5_1"),
    ("gqa7", "Q2_K"),
    ("mqa32", "Q2_K"),
    ("gqa7", "Q3_K"),
    ("mha", "Q3_K"),
    ("gqa7", "Q5_K"),
    ("mqa32", "Q5_K"),
    ("gqa7", "Q4_K_M"),  # a mixture: made by `lemnos quantize` from F32
]
POSITIONS = [7, 31]

# 32 tokens of a vocabulary of 1024, both ends of it and repetitions among them.
TOKENS = [
    1, 17, 512, 1023, 0, 300, 300, 45, 999, 702, 3, 64, 128, 255, 256, 777,
    31, 890, 1022, 2, 404, 17, 512, 610, 8, 93, 341, 560, 731, 1002, 64, 199,
]  # fmt: skip

GLOBAL_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
LAYER_NAMES = {
    "attn_norm.weight": "input_layernorm.weight",
    "attn_q.weight": "self_attn.q_proj.weight",
    "attn_k.weight": "self_attn.k_proj.weight",
    "attn_v.weight": "self_attn.v_proj.weight",
    "attn_output.weight": "self_attn.o_proj.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "ffn_gate.weight": "mlp.gate_proj.weight",
    "ffn_up.weight": "mlp.up_proj.weight",
    "ffn_down.weight": "mlp.down_proj.weight",
}


def value(reader, key, default=None):
    """The metadata value of `key`, or `default`, which None makes required."""
    field = reader.get_field(key)
    if field is None:
        if default is None:
            raise SystemExit(f"{key} is missing")
        return default
    return field.contents()


def config_of(reader, tied):
    """The LlamaConfig that says what the GGUF metadata says."""
    heads = value(reader, "llama.attention.head_count")
    hidden = value(reader, "llama.embedding_length")
    rope = {"rope_type": "default", "rope_theta": value(reader, "llama.rope.freq_base")}
    if value(reader, "llama.rope.scaling.type", "none") == "linear":
        rope["rope_type"] = "linear"
        rope["factor"] = value(reader, "llama.rope.scaling.factor")
    vocab = next(t for t in reader.tensors if t.name == "token_embd.weight").shape[1]
    config = transformers.LlamaConfig(
        vocab_size=int(vocab),
        hidden_size=hidden,
        intermediate_size=value(reader, "llama.feed_forward_length"),
        num_hidden_layers=value(reader, "llama.block_count"),
        num_attention_heads=1,
        num_key_value_heads=value(reader, "llama.attention.head_count_kv"),
        head_dim=value(reader, "llama.attention.key_length", hidden // heads),
        max_position_embeddings=value(reader, "llama.context_length"),
        rms_norm_eps=value(reader, "llama.attention.layer_norm_rms_epsilon"),
        rope_parameters=rope,
        tie_word_embeddings=tied,
        attention_bias=False,
        mlp_bias=False,
        hidden_act="silu",
        attn_implementation="eager",
    )
    # Set late, because the constructor refuses heads that do not divide hidden_size. With head_dim
    # given nothing depends on that.
    config.num_attention_heads = heads
    return config


def unpermute(rows, head_dim):
    """Rows of Q or K from neighbouring pairs (GGUF) to halves (Hugging Face), head by head."""
    pairs = rows.reshape(-1, head_dim // 2, 2, rows.shape[1])
    return pairs.swapaxes(1, 2).reshape(rows.shape)


def weights_of(reader, config):
    """Hugging Face's names and float32 weights of everything in the file."""
    weights = {}
    for tensor in reader.tensors:
        rows = np.array(gguf.quants.dequantize(tensor.data, tensor.tensor_type), np.float32)
        rows = rows.reshape([int(n) for n in tensor.shape][::-1])
        if tensor.name in GLOBAL_NAMES:
            name = GLOBAL_NAMES[tensor.name]
        else:
            _, layer, kind = tensor.name.split(".", 2)
            name = f"model.layers.{layer}.{LAYER_NAMES[kind]}"
            if kind in ("attn_q.weight", "attn_k.weight"):
                rows = unpermute(rows, config.head_dim)
        weights[name] = torch.from_numpy(np.ascontiguousarray(rows))
    return weights


def fingerprint(reader):
    """FNV-1a 64 over the bytes of the first row of every tensor, in file order."""
    fnv = 0xCBF29CE484222325
    for tensor in reader.tensors:
        row = tensor.data if tensor.data.ndim == 1 else tensor.data[0]
        for byte in row.tobytes():
            fnv = (fnv ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return fnv


class HalfCache(transformers.DynamicCache):
    """A KV cache that rounds to f16, K after RoPE, as Lemnos does."""

    def update(self, keys, values, *args, **kwargs):
        return super().update(keys.half().float(), values.half().float(), *args, **kwargs)


def logits_of(path):
    """float32 [2][positions][vocab] and the fingerprint of the model in `path`."""
    reader = gguf.GGUFReader(path)
    tied = all(tensor.name != "output.weight" for tensor in reader.tensors)
    config = config_of(reader, tied)
    model = transformers.LlamaForCausalLM(config).to(torch.float32).eval()
    weights = weights_of(reader, config)
    if tied:
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if missing or unexpected:
        raise SystemExit(f"{path}: missing {missing}, unexpected {unexpected}")
    logits = []
    for cache in (transformers.DynamicCache(), HalfCache()):
        with torch.no_grad():
            step = model(torch.tensor([TOKENS]), past_key_values=cache, use_cache=True)
        logits.append(step.logits[0][POSITIONS].numpy().astype("<f4"))
    return np.stack(logits), fingerprint(reader)


def header():
    """The lines of logits.txt that are the same for all models."""
    versions = {
        "Python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "gguf": importlib.metadata.version("gguf"),  # has no __version__
        "numpy": np.__version__,
    }
    return [
        "# Logits of LlamaForCausalLM (float32, CPU) on synthetic models: logits_SHAPE_FORMAT.bin",
        "# is little-endian f32 [KV in f32, in f16][positions][vocab]. Model lines end in the",
        "# fingerprint of the weights.",
        "# Made by: python tools/golden/make_logits.py --lemnos PROGRAM",
        "# With: " + ", ".join(f"{name} {version}" for name, version in versions.items()),
        "tokens " + " ".join(map(str, TOKENS)),
        "positions " + " ".join(map(str, POSITIONS)),
    ]


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lemnos", required=True, help="the built program")
    parser.add_argument("--out", type=pathlib.Path, default=root / "tests/golden")
    args = parser.parse_args()

    lines = header()
    with tempfile.TemporaryDirectory() as folder:
        for shape, weight_format in MODELS:
            path = pathlib.Path(folder) / "model.gguf"
            source = root / "tests/golden" / f"{shape}.json"
            mixed = weight_format.endswith("_M")
            synth = [args.lemnos, "synth", source, "--format", "F32" if mixed else weight_format]
            subprocess.run([*synth, "-o", path], check=True)
            if mixed:
                floats = path.rename(path.with_name("floats.gguf"))
                quantize = [args.lemnos, "quantize", floats, path, "--type", weight_format]
                subprocess.run(quantize, check=True)
            logits, fnv = logits_of(path)
            (args.out / f"logits_{shape}_{weight_format}.bin").write_bytes(logits.tobytes())
            lines.append(f"model {shape} {weight_format} {fnv:016x}")
            path.unlink()
    (args.out / "logits.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
