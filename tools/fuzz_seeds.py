#!/usr/bin/env python3
"""Writes the hand-made part of tests/fuzz/corpus: python3 tools/fuzz_seeds.py

A seed whose name begins with "good" must be accepted by its target; what fuzzing adds is named by
its hash or by what it shows. All numbers are little-endian, as in the formats themselves.
"""

import json
import os
import struct

CORPUS = os.path.join(os.path.dirname(__file__), "..", "tests", "fuzz", "corpus")
FNV_START = 0xCBF29CE484222325


def put(target, name, data):
    folder = os.path.join(CORPUS, target)
    os.makedirs(folder, exist_ok=True)
    if isinstance(data, str):
        data = data.encode()
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


def fnv(data, before=FNV_START):
    for byte in data:
        before = ((before ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return before


# ---- GGUF -----------------------------------------------------------------------------------------

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
CODES = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q",
         I64: "q", F64: "d"}
BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 8: (32, 34), 10: (256, 84)}  # F32 F16 Q4_0 Q8_0 Q2_K


def text(value):
    if isinstance(value, str):
        value = value.encode()
    return struct.pack("<Q", len(value)) + value


def scalar(kind, value):
    return text(value) if kind == STRING else struct.pack("<" + CODES[kind], value)


def key(name, kind, value):
    return text(name) + struct.pack("<I", kind) + scalar(kind, value)


def array(name, kind, values):
    return (text(name) + struct.pack("<IIQ", ARRAY, kind, len(values)) +
            b"".join(scalar(kind, value) for value in values))


def gguf(keys, tensors=(), version=3):
    """Tensors are (name, format, dimensions with the fastest first)."""
    infos = data = b""
    for name, kind, dims in tensors:
        per_block, block = BLOCKS[kind]
        size = block
        for dim in dims:
            size *= dim
        size //= per_block
        infos += text(name) + struct.pack("<I%dQIQ" % len(dims), len(dims), *dims, kind, len(data))
        data += bytes(size + -size % 32)
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys)) + b"".join(keys) + infos
    return head + bytes(-len(head) % 32) + data


def model_keys(**changed):
    numbers = {"block_count": 1, "context_length": 64, "embedding_length": 64,
               "feed_forward_length": 32, "attention.head_count": 1,
               "attention.head_count_kv": 1} | changed
    return ([key("general.architecture", STRING, "llama"), key("general.name", STRING, "tiny")] +
            [key("llama." + name, U32, value) for name, value in numbers.items()] +
            [key("llama.attention.layer_norm_rms_epsilon", F32, 1e-6),
             key("llama.rope.freq_base", F32, 100000.0)])


def model_tensors(matrix, bias=False):
    block = [("attn_norm.weight", 0, [64]), ("attn_q.weight", matrix, [64, 64]),
             ("attn_k.weight", matrix, [64, 64]), ("attn_v.weight", matrix, [64, 64]),
             ("attn_output.weight", matrix, [64, 64]), ("ffn_norm.weight", 0, [64]),
             ("ffn_gate.weight", matrix, [64, 32]), ("ffn_up.weight", matrix, [64, 32]),
             ("ffn_down.weight", matrix, [32, 64])]
    if bias:
        block += [("attn_%s.bias" % part, 0, [64]) for part in "qkv"]
    return ([("token_embd.weight", matrix, [64, 4]), ("output_norm.weight", 0, [64])] +
            [("blk.0." + name, kind, dims) for name, kind, dims in block])


def gguf_seeds():
    put("gguf", "good-q4_0", gguf(model_keys(), model_tensors(2)))
    put("gguf", "good-q8_0-biases-v2", gguf(model_keys(), model_tensors(8, True), 2))
    scaled = model_keys() + [key("llama.rope.scaling.type", STRING, "linear"),
                             key("llama.rope.scaling.factor", F32, 4.0),
                             key("general.alignment", U32, 64)]
    put("gguf", "alignment", gguf(scaled, model_tensors(2)))
    every = [key("k%d" % kind, kind, 1) for kind in CODES]
    every += [array("a%d" % kind, kind, [0, 1, 2]) for kind in CODES]
    every += [array("texts", STRING, ["", "a", "\0"]), array("none", U32, [])]
    put("gguf", "every-type", gguf(every, [("t", 0, [2, 3, 1, 2]), ("u", 10, [256])]))
    put("gguf", "no-keys", gguf([]))
    put("gguf", "cut", gguf(model_keys(), model_tensors(2))[:300])
    put("gguf", "last-tensor-cut", gguf(model_keys(), model_tensors(2))[:-32])
    put("gguf", "big-endian", b"GGUF" + struct.pack(">IQQ", 3, 0, 0))
    put("gguf", "huge-counts", b"GGUF" + struct.pack("<IQQ", 3, 1 << 63, 1 << 63))


def part(number, n_parts, n_tensors, keys, tensors):
    split = [key("split.no", U16, number), key("split.count", U16, n_parts),
             key("split.tensors.count", I32, n_tensors)]
    return gguf(keys + split, tensors)


def two(first, second):
    return struct.pack("<I", len(first)) + first + second


def split_seeds():
    arch = [key("general.architecture", STRING, "llama")]
    a = part(0, 2, 2, arch, [("a", 0, [8])])
    b = part(1, 2, 2, [], [("b", 8, [32, 2])])
    put("gguf_split", "good", two(a, b))
    put("gguf_split", "exchanged", two(b, a))
    put("gguf_split", "same-tensor", two(a, part(1, 2, 2, [], [("a", 0, [8])])))
    put("gguf_split", "missing", two(a, b""))
    put("gguf_split", "three-parts", two(part(0, 3, 2, arch, []), b))
    other = part(1, 2, 2, [key("general.architecture", STRING, "other")], [("b", 0, [1])])
    put("gguf_split", "other-architecture", two(a, other))


# ---- vocabularies ---------------------------------------------------------------------------------


def byte_symbols():
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in shown]
    return [chr(byte) if byte in shown else chr(256 + others.index(byte)) for byte in range(256)]


def vocabulary(pre="deepseek-coder", merges=("i n", "in t", "Ġ Ġ", "ä ½"), later=False, **also):
    added_later = {0xC0, 0xC1, *range(0xF5, 0x100)} if later else set()
    symbols = byte_symbols()
    tokens = [symbols[byte] for byte in range(256) if byte not in added_later]
    tokens += [merge.replace(" ", "") for merge in merges]
    types = [1] * len(tokens)
    control = [symbols[byte] for byte in sorted(added_later)]
    control += ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜fim▁hole｜>",
                "<｜fim▁begin｜>", "<｜fim▁end｜>", "<|EOT|>"]
    tokens += control
    types += [4] * len(control)
    if later:
        tokens += ["[PAD%d]" % (len(tokens) + i) for i in range(16)]
        types += [4] * 16
    keys = [key("tokenizer.ggml.model", STRING, "gpt2"),
            key("tokenizer.ggml.pre", STRING, pre),
            array("tokenizer.ggml.tokens", STRING, tokens),
            array("tokenizer.ggml.token_type", I32, types),
            array("tokenizer.ggml.merges", STRING, merges),
            key("tokenizer.ggml.bos_token_id", U32, tokens.index("<｜begin▁of▁sentence｜>")),
            key("tokenizer.ggml.eos_token_id", U32, tokens.index("<|EOT|>"))]
    keys += [key("tokenizer." + name, STRING, value) for name, value in also.items()]
    return gguf(keys)


def vocabulary_seeds():
    template = ("{% if not add_generation_prompt %}{{bos_token}}{% endif %}{{'You are an AI\\n'}}"
                "### Instruction:\\n{{message['content']}}\\n### Response:\\n<|EOT|>")
    put("vocabulary", "good-coder", vocabulary(chat_template=template))
    put("vocabulary", "good-later", vocabulary(later=True))
    put("vocabulary", "good-llm", vocabulary(pre="deepseek-llm", merges=()))
    put("vocabulary", "bad-merge", vocabulary(merges=("i n", "in q")))
    put("vocabulary", "bad-pre", vocabulary(pre="\x1b[31m\xff" * 9))


def tokenizer_seeds():
    texts = {"code": "int main(void)\n{\n\treturn 12345 + 0x1f; // ok\r\n}\n\n\n",
             "cjk": "def 你好(ü):\n    return '\u3000한국어' + \"🙂\"\n",
             "special": "<|EOT|><｜fim▁hole｜> <pad> ü [PAD301]<｜begin▁of▁sentence｜>"}
    for i, (name, value) in enumerate(texts.items()):
        for choice in range(12):
            if choice % 3 == i:
                put("tokenizer", "good-%s-%d" % (name, choice),
                    bytes([choice | choice % 2 << 7, 16 * i]) + value.encode())
    put("tokenizer", "good-bytes", bytes([4, 0, *range(256)]))
    put("tokenizer", "good-spaces", bytes([128 + 8, 40]) + b" " * 200 + b"\n" * 20)
    put("tokenizer", "good-empty", b"")


# ---- session files --------------------------------------------------------------------------------


def session_sum(before, data):
    quarter = len(data) // 4
    lanes = [fnv(data[i * quarter:(i + 1) * quarter]) for i in range(4)]
    return fnv(b"".join(struct.pack("<Q", lane) for lane in lanes), fnv(data[4 * quarter:], before))


def session(n_tokens=19, n_evaluated=19, logits=True, note=b"", n_vocab=32, tile=32, n_layer=2,
            largest=31):
    head = b"LMSESS\r\n" + struct.pack("<IIQQddQIIIIIII", 1, 256, 7, 8, 1e5, 0.25, len(note),
                                       n_layer, n_vocab, 1, tile, n_tokens, n_evaluated, logits)
    head = head.ljust(96, b"\0") + b"a model".ljust(64, b"\0") + b"Q4_K".ljust(32, b"\0")
    head = head.ljust(248, b"\0")
    seal = session_sum(FNV_START, head)
    body = b"".join(struct.pack("<I", i % (largest + 1)) for i in range(n_tokens)) + note
    body += bytes(4 * n_vocab if logits else 0) + bytes(n_layer * (-(-n_evaluated // 16)) * tile)
    return (head + struct.pack("<Q", seal) + body + struct.pack("<Q", session_sum(seal, body)))


def session_seeds():
    put("session", "good-logits", session())
    put("session", "good-note", session(1, 0, False, b'{"chat":1,"turns":[]}'))
    put("session", "token-outside", session(40, 40, False, largest=32))
    put("session", "too-many-layers", session(n_layer=1025))
    put("session", "cut", session()[:-1])
    put("session", "longer", session() + b"\0")


# ---- other files ----------------------------------------------------------------------------------


def logprob_seeds():
    def file(n_ctx=4, n_vocab=3, n_windows=1, scale=1e-4, least=-9.0, tokens=(0, 1, 2, 0)):
        rows = struct.pack("<ff", scale, least) + struct.pack("<4H", 0, 1, 65535, 0)
        n_rows = n_windows * (n_ctx - 1 - n_ctx // 2)
        return (b"_logits_" + struct.pack("<III", n_ctx, n_vocab, n_windows) +
                struct.pack("<%di" % len(tokens), *tokens) + rows * n_rows)

    put("logprobs", "good", file())
    put("logprobs", "good-windows", file(n_windows=2, tokens=(0, 1, 2, 0) * 2))
    put("logprobs", "nan", file(scale=float("nan")))
    put("logprobs", "token-outside", file(tokens=(0, 1, 3, 0)))
    put("logprobs", "huge", b"_logits_" + struct.pack("<III", 1 << 24, 1 << 24, (1 << 32) - 1))


def cache_seeds():
    device = b"\x11" * 16 + b"\x22" * 16
    pipes = b"lmpipes1" + device + struct.pack("<IIIIQ", 0x10005, 0, 0x1900007, 8,
                                               0x0123456789ABCDEF)
    for name, data in {"good": bytes(range(64)), "good-empty": b""}.items():
        put("pipeline_cache", name, pipes + struct.pack("<QQ", len(data), fnv(data)) + data)
    put("pipeline_cache", "other-driver",
        pipes.replace(b"\x11", b"\x12") + struct.pack("<QQ", 1, fnv(b"x")) + b"x")
    put("pipeline_cache", "cut", pipes)
    put("pipeline_cache", "other-sum", pipes + struct.pack("<QQ", 3, 5) + b"abc")
    tests = b"lmtests1" + device + struct.pack("<IIIIQQ", 0x10005, 0, 0x1900007, 0x403000,
                                               0xFEDCBA9876543210, 0x0123456789ABCDEF)

    def entry(kind, op, why):
        return struct.pack("<QII24s192s", 5, kind, 7, op.encode(), why.encode())

    entries = entry(1, "matvec_q4_k", "") + entry(3, "matrix", "8x8x8 differs at row 3")
    put("selftest_record", "good", tests + struct.pack("<QQ", 2, fnv(entries)) + entries)
    put("selftest_record", "good-empty", tests + struct.pack("<QQ", 0, FNV_START))
    entries = entry(9, "x", "")
    put("selftest_record", "bad-kind", tests + struct.pack("<QQ", 1, fnv(entries)) + entries)
    entries = entry(2, "x" * 24, "y" * 192)
    put("selftest_record", "no-end", tests + struct.pack("<QQ", 1, fnv(entries)) + entries)


def quirk_seeds():
    put("quirks", "good", 'vendor=intel driver=anv before=25.2 device="*Arc*" off=matrix '
        "see=https://example.org/1\n# a comment\n\nvendor=0x1002 device=0x744c from=1.2.3.4 "
        "on=int_dot # here too\nkind=discrete limits=shared_bytes=32768,group_invocations=256\n")
    put("quirks", "good-any-device", "off=all\r\n\ton=f16,int_dot\n")
    put("quirks", "bad-values", "vendor=nobody off=x\nfrom=1.2.3.4.5 off=f16\noff=f16 on=f16\n"
        'device="open off=f16\nlimits=shared_bytes=1\noff=f16 off=f16\nsee=http://x off=f16\n')
    put("quirks", "bad-bytes", b"off=\x1b[31m\nvendor=\xff\xfe off=f16\ndevice=\0 off=f16\n"
        b"driver=radv off=f16 \x01=\x02\ndevice=\"\x1b[31m\" off=f16\n")
    put("quirks", "long-line", "off=f16 #" + "x" * 1100 + "\n" + "=" * 200)


def json_seeds():
    put("shape", "good", json.dumps({"layers": 2, "hidden": 128, "heads": 2, "kv_heads": 1,
                                     "head_dim": 64, "intermediate": 256, "vocab": 1000,
                                     "context": 512, "rope_base": 1e4, "rope_factor": 4,
                                     "tied": True, "qkv_bias": False}))
    put("shape", "good-empty", "{}")
    put("shape", "bad-values", '{"layers": 1e99, "hidden": -0.5, "layers": 3}')
    put("shape", "bad-syntax", '{"layers": 2, "hi\x1bdden": [}\n')
    put("shape", "unknown", json.dumps({"\x1b[31m": 1}))
    chat = {"chat": 1, "system": {"hex": "00ff"},
            "turns": [{"question": "Hi", "answer": "1 + 1\n"},
                      {"question": {"hex": "e4bda0"}, "answer": ""}]}
    put("chat_note", "good", json.dumps(chat))
    put("chat_note", "good-empty", '{"chat":1,"turns":[]} \n')
    put("chat_note", "bad-hex", '{"chat":1,"turns":[{"question":{"hex":"0g"},"answer":""}]}')
    put("chat_note", "version", '{"chat":2,"turns":[]}')
    put("chat_note", "deep", '{"chat":1,"turns":' + "[" * 1100)
    put("infill_request", "good", json.dumps(
        {"prefix": "int f(void)\n{\n    return ", "suffix": ";\n}\n", "path": "src/a.c",
         "files": [{"path": "b.h", "text": "#pragma once\n"}], "shape": "line", "max_tokens": 64,
         "temperature": 0.7, "top_k": 40, "top_p": 0.95, "min_p": 0.05, "seed": 9007199254740991,
         "stop": ["\n\n", "}"], "id": "a"}))
    put("infill_request", "good-python", json.dumps(
        {"prefix": "def f(x):\n    if x:\n        ", "suffix": "\n    else:\n        y = (1,\n"
         "    2)\n    '''a\n    b'''\n    return y\n\n\n\ndef g():\n", "path": "a.py", "id": 7}))
    put("infill_request", "good-repeat", json.dumps(
        {"prefix": "a\nb\na\nb\n", "suffix": "a\nb\na\nb\na\nb\n\n\n\n}\n})]\n", "stop": "x"}))
    put("infill_request", "zero", '{"prefix": "a\\u0000b"}')
    put("infill_request", "neither", '{"path": "a.c"}')
    put("infill_request", "unknown", '{"\\u001b[31m\\u4f60": 1}')
    put("infill_request", "twice", '{"stop":"a","stop":["b",1],"files":[],"files":[{}]}')


def main():
    for make in (gguf_seeds, split_seeds, vocabulary_seeds, tokenizer_seeds, session_seeds,
                 logprob_seeds, cache_seeds, quirk_seeds, json_seeds):
        make()


main()
