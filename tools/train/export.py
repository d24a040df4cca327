#!/usr/bin/env python3
"""Writes a trained model as GGUF, for Lemnos and llama.cpp.

    python export.py RUN_FOLDER/nano/model.pt RUN_FOLDER/tokenizer.json OUT.gguf [--type F16]
    python export.py RUN_FOLDER/instruct/model.pt RUN_FOLDER/tokenizer.json OUT.gguf --chat

--chat says that the model answers: the chat template goes in, with the system text, and <|EOT|>
ends a text. `lemnos quantize` makes Q8_0 of it.
"""

import argparse
import json
import pathlib

import gguf
import numpy as np
import torch

import chat
import tokens

TYPES = {"F32": gguf.LlamaFileType.ALL_F32, "F16": gguf.LlamaFileType.MOSTLY_F16}


def interleave(weight, n_head, head_dim):
    """Rows of q or k [n_head * head_dim][n_embd], so that the pairs of RoPE, which are (i, i +
    head_dim / 2) in model.py, become neighbours."""
    halves = weight.reshape(n_head, 2, head_dim // 2, -1)
    return halves.swapaxes(1, 2).reshape(weight.shape)


def tensors(state, c):
    """Yields (name in GGUF, f32 array) of model.py's weights; `c` is its config as a dict."""
    weights = {name: value.float().numpy() for name, value in state.items()}
    yield "token_embd.weight", weights["embedding"]
    yield "output_norm.weight", weights["output_norm"]
    n_q, n_kv = c["n_head"] * c["head_dim"], c["n_head_kv"] * c["head_dim"]
    for i in range(c["n_layer"]):
        layer = {
            name.partition(f"layers.{i}.")[2]: value
            for name, value in weights.items()
            if name.startswith(f"layers.{i}.")
        }
        q, k, v = np.split(layer["qkv.weight"], [n_q, n_q + n_kv])
        gate, up = np.split(layer["gate_up.weight"], 2)
        yield f"blk.{i}.attn_norm.weight", layer["attn_norm"]
        yield f"blk.{i}.attn_q.weight", interleave(q, c["n_head"], c["head_dim"])
        yield f"blk.{i}.attn_k.weight", interleave(k, c["n_head_kv"], c["head_dim"])
        yield f"blk.{i}.attn_v.weight", v
        yield f"blk.{i}.attn_output.weight", layer["out.weight"]
        yield f"blk.{i}.ffn_norm.weight", layer["ffn_norm"]
        yield f"blk.{i}.ffn_gate.weight", gate
        yield f"blk.{i}.ffn_up.weight", up
        yield f"blk.{i}.ffn_down.weight", layer["down.weight"]


def add_config(writer, c, context, rope):
    writer.add_block_count(c["n_layer"])
    writer.add_context_length(context)
    writer.add_embedding_length(c["n_embd"])
    writer.add_feed_forward_length(c["n_ff"])
    writer.add_head_count(c["n_head"])
    writer.add_head_count_kv(c["n_head_kv"])
    writer.add_key_length(c["head_dim"])
    writer.add_value_length(c["head_dim"])
    writer.add_layer_norm_rms_eps(c["norm_eps"])
    writer.add_vocab_size(c["n_vocab"])
    writer.add_rope_dimension_count(c["head_dim"])
    writer.add_rope_freq_base(rope["base"])
    writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    writer.add_rope_scaling_factor(rope["factor"])


def add_vocabulary(writer, path, n_rows, answers):
    model = json.loads(path.read_text(encoding="utf-8"))["model"]
    ordinary = sorted(model["vocab"], key=model["vocab"].get)
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    spellings = ordinary + tokens.SPECIALS
    kinds = [gguf.TokenType.NORMAL] * len(ordinary)
    kinds += [gguf.TokenType.CONTROL] * len(tokens.SPECIALS)
    kinds += [gguf.TokenType.UNUSED] * (n_rows - len(spellings))
    spellings += [f"[PAD{i}]" for i in range(len(spellings), n_rows)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("deepseek-coder")
    writer.add_token_list(spellings)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(tokens.BOS)
    writer.add_eos_token_id(tokens.EOT if answers else tokens.EOS)
    writer.add_pad_token_id(tokens.PAD)
    for role, token in (("pre", tokens.BEGIN), ("suf", tokens.HOLE), ("mid", tokens.END)):
        writer.add_uint32(f"tokenizer.ggml.fim_{role}_token_id", token)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    if answers:
        writer.add_chat_template(chat.TEMPLATE)


def write(state, tokenizer_path, out, kind, name, answers=False):
    c = state["config"]
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_name(name)
    writer.add_file_type(TYPES[kind])
    add_config(writer, c, state["context"], state["rope"])
    add_vocabulary(writer, tokenizer_path, c["n_vocab"], answers)
    for tensor, data in tensors(state["model"], c):
        if kind == "F16" and data.ndim == 2:
            data = data.astype(np.float16)
        writer.add_tensor(tensor, np.ascontiguousarray(data))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("tokenizer", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--type", choices=TYPES, default="F32")
    parser.add_argument("--chat", action="store_true", help="of the instruct model")
    parser.add_argument("--name", help="default: Lemnos nano base, or instruct")
    args = parser.parse_args()
    name = args.name or f"Lemnos nano {'instruct' if args.chat else 'base'}"
    state = torch.load(args.model, map_location="cpu", weights_only=True)
    write(state, args.tokenizer, args.out, args.type, name, args.chat)


if __name__ == "__main__":
    main()
