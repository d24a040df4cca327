#!/usr/bin/env python3
"""Writes what the package `tokenizers` makes of random texts with the vocabulary of a GGUF file.

The texts follow from a seed and a list of parts, as tests/golden/tokenizer_random.c makes them too,
so only that list, a hash per block of texts and a few texts in full are kept.

    pip install tokenizers gguf
    lemnos synth tests/golden/tokenizer_synth.json --format F32 -o synth.gguf
    python tools/golden/tokenizer_vectors.py synth.gguf --pre deepseek-coder \\
        -o tests/golden/tokenizer_coder.txt
    python tools/golden/tokenizer_vectors.py synth.gguf --pre deepseek-llm \\
        -o tests/golden/tokenizer_llm.txt

The vectors of any other vocabulary, which need not be kept:

    python tools/golden/tokenizer_vectors.py VOCABULARY.gguf -o /tmp/vectors.txt
    build/release/tests/golden/tokenizer_random VOCABULARY.gguf /tmp/vectors.txt

Added tokens are matched in every text. `all` hashes the ids with control tokens matched as well,
which is what the package does, `user` those without: a second tokenizer that lacks them.
"""

import argparse
import struct
import sys

import gguf
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

SEED = 20240501
N_TEXTS = 10000
N_BLOCK = 100
N_SHOWN = 120  # texts whose tokens are written in full

# Where classes meet, and what source code is made of. A text is a random choice of these and of
# any code points.
PARTS = (
    list(" \t\n\r019azAZ_.,;:!?'\"`~@#$%^&|\\()[]{}<>=+-*/")
    + ["  ", "    ", "        ", "\r\n", "\n\n", "\t\t", "\x0b", "\x0c", "\x1c", "\x85", "\x00"]
    + "the return def function import self the_end int x1 foo.bar() a->b 0x1F 3.14 // /* */".split()
    + [" the", " return", " = ", " == ", " <= ", "):\n", "();", "});", '"""', "#include <", " 10"]
    + list("üöäßéñÿÀÁ÷øþý½²³①Ⅷ٣३𝟘")
    + ["Führer", "café", "naïve Ü", "Việt", "Ελληνικά", "русский", "עברית", "العربية", "हिन्दी"]
    + ["中文", "数组", " 排序", "日本語カナ", "한국어", "ไทย", "ქართული", "ႠႡ", "Հայերեն", "ᏣᎳᎩ"]
    + list("—–…·«»‘’‚“”„。、！～０Ａｚ｛｝￠€£¥§©®°±×µªº´¨^ˆ")
    + ["\u00a0", "\u1680", "\u2003", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u3001"]
    + ["\u0301", "\u200b", "\u200d", "\ufe0f", "\ufeff", "🦙", "😀", "👩‍💻", "𠀀", "𐐀", "𝔘", "ǅ", "ʓ", "ʔ"]
    + ["\u07ff", "\u0800", "\u4e00", "\u9fa5", "\u9fa6", "\uabff", "\uac00", "\ud7ff", "\ue000"]
    + ["\ufffd", "\U0010ffff", "\u1f7d", "\u1fbe", "\u2126", "\u212a", "\u2018", "\u201f", "\u2017"]
    + ["<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>", "<|EOT|>", "<pad>", "<|User|>", "<｜fim▁"]
    + ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "｜>", "<|", "|>", "[PAD4090]", "<|EOT"]
)

SPLITS = {
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-\ud7ff]+"],
    "deepseek-llm": [
        r"[\r\n]",
        r"\s?[A-Za-z%s]+",
        "\\s?[!-/:-~！-／：-～‘-‟\u3000-。]+",
        r"\s+$",
        "[一-龥ࠀ-一가-\ud7ff]+",
    ],
}

# The letters of deepseek-llm beyond ASCII, by number: some of them turn into others when a text is
# normalised on its way.
LLM_LETTERS = """
b5 c0-d6 d8-f6 f8-1ba 1bc-1bf 1c4-293 295-2af 370-373 376 377 37b-37d 37f 386 388-38a 38c 38e-3a1
3a3-3f5 3f7-481 48a-52f 531-556 10a0-10c5 13a0-13f5 13f8-13fd 1c90-1cba 1cbd-1cbf 1d00-1d2b
1d6b-1d77 1d79-1d9a 1e00-1f15 1f18-1f1d 1f20-1f45 1f48-1f4d 1f50-1f57 1f59 1f5b 1f5d 1f5f-1f7d
1f80-1fb4 1fb6-1fbc 1fbe 1fc2-1fc4 1fc6-1fcc 1fd0-1fd3 1fd6-1fdb 1fe0-1fec 1ff2-1ff4 1ff6-1ffc
2102 2107 210a-2113 2115 2119-211d 2124 2126 2128 212a-212d 212f-2134 2139 213c-213f 2145-2149
214e 2183 2184 2c00-2c7b 2c7e-2ce4 2ceb-2cee 2cf2 2cf3 a640-a66d a680-a69b a722-a76f a771-a787
a78b-a78e ab70-abbf fb00-fb06 fb13-fb17 ff21-ff3a ff41-ff5a 10400-1044f 104b0-104d3 104d8-104fb
10c80-10cb2 10cc0-10cf2 118a0-118df 1e900-1e943
"""


def llm_letters():
    ends = [[int(end, 16) for end in item.split("-")] for item in LLM_LETTERS.split()]
    return "".join(f"{chr(r[0])}-{chr(r[-1])}" for r in ends)


class Random:
    """SplitMix64, as tests/support/random.c."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        return (z ^ z >> 31) % limit


def make_text(seed, index):
    random = Random(seed + index)
    text = []
    for _ in range(1 + random.below(48)):
        if random.below(8) == 0:
            code_point = random.below(0x110000)
            text.append("\ufffd" if 0xD800 <= code_point < 0xE000 else chr(code_point))
        else:
            text.append(PARTS[random.below(len(PARTS))])
    return "".join(text)


def hashed(state, ids):
    """FNV-1a over the ids as 32 bits each, little-endian, and -1 behind them."""
    for byte in struct.pack(f"<{len(ids) + 1}i", *ids, -1):
        state = (state ^ byte) * 0x100000001B3 & (1 << 64) - 1
    return state


def escaped(text):
    """ASCII without spaces: other bytes as %XX."""
    return "".join(
        chr(byte) if 0x21 <= byte < 0x7F and byte != 0x25 else f"%{byte:02X}" for byte in text.encode()
    )


class Vocabulary:
    def __init__(self, path, pre):
        reader = gguf.GGUFReader(path)
        self.spellings = reader.get_field("tokenizer.ggml.tokens").contents()
        self.types = reader.get_field("tokenizer.ggml.token_type").contents()
        self.merges = reader.get_field("tokenizer.ggml.merges").contents()
        self.pre = pre or reader.get_field("tokenizer.ggml.pre").contents()

    def is_control(self, token):
        spelling = self.spellings[token]
        bars = spelling.startswith(("<｜", "<|")) and spelling.endswith(("｜>", "|>"))
        return self.types[token] == 3 or bars or spelling == "<pad>"

    def tokenizer(self, control):
        ordinary = {s: i for i, s in enumerate(self.spellings) if self.types[i] == 1}
        merges = [tuple(merge.split(" ")) for merge in self.merges]
        tokenizer = Tokenizer(models.BPE(vocab=ordinary, merges=merges))
        splits = [s % llm_letters() if "%s" in s else s for s in SPLITS[self.pre]]
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(split), "isolated") for split in splits]
            + [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        added = [i for i, kind in enumerate(self.types) if kind in (3, 4)]
        added = [i for i in added if self.spellings[i] != f"[PAD{i}]"]
        # The package numbers added tokens from the end of the vocabulary on, so that is where its
        # number is looked up.
        self.added_ids = {}
        for token in added:
            if control or not self.is_control(token):
                spelling = self.spellings[token]
                tokenizer.add_tokens([AddedToken(spelling, normalized=False, special=False)])
                self.added_ids[tokenizer.token_to_id(spelling)] = token
        return tokenizer, dict(self.added_ids)


def encode(pair, text):
    tokenizer, added = pair
    return [added.get(i, i) for i in tokenizer.encode(text, add_special_tokens=False).ids]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("gguf")
    parser.add_argument("--pre", choices=SPLITS, help="instead of the file's tokenizer.ggml.pre")
    parser.add_argument("--texts", type=int, default=N_TEXTS)
    parser.add_argument("-o", "--output", required=True)
    args = parser.parse_args()

    vocabulary = Vocabulary(args.gguf, args.pre)
    every = vocabulary.tokenizer(control=True)
    user = vocabulary.tokenizer(control=False)
    lines = [
        "# Written by tools/golden/tokenizer_vectors.py with tokenizers "
        f"{tokenizers.__version__}; not edited by hand.",
        f"pre {vocabulary.pre}",
        f"seed {SEED}",
        *(f"part {escaped(part)}" for part in PARTS),
    ]
    for start in range(0, args.texts, N_BLOCK):
        states = [0xCBF29CE484222325] * 2
        for index in range(start, start + N_BLOCK):
            text = make_text(SEED, index)
            for i, pair in enumerate((every, user)):
                states[i] = hashed(states[i], encode(pair, text))
        lines.append(f"block {start} {N_BLOCK} all {states[0]:016x} user {states[1]:016x}")
    for index in range(N_SHOWN):
        ids = encode(every, make_text(SEED, index))
        lines.append(f"text {index} {' '.join(map(str, ids))}")
    with open(args.output, "w", encoding="ascii") as out:
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
