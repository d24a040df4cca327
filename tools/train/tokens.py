#!/usr/bin/env python3
"""Makes the tokenizer: byte-level BPE as DeepSeek-Coder has it, with a small vocabulary.

    python tokens.py RUN_FOLDER

Learns from RUN_FOLDER/corpus/train.jsonl and writes RUN_FOLDER/tokenizer.json.
"""

import argparse
import json
import pathlib
import zlib

import tokenizers
from tokenizers import Regex, models, pre_tokenizers, trainers

N_ORDINARY = 4096

# In the family's order, right behind the ordinary tokens. The family also adds the 13 bytes that
# UTF-8 never has; here they are among the ordinary tokens, so that a literal "ü" is no such.
SPECIALS = [
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜fim▁hole｜>",
    "<｜fim▁begin｜>",
    "<｜fim▁end｜>",
    "<pad>",
    "<|User|>",
    "<|Assistant|>",
    "<|EOT|>",
]
BOS, EOS, HOLE, BEGIN, END, PAD, _, _, EOT = range(N_ORDINARY, N_ORDINARY + len(SPECIALS))
N_TOKENS = N_ORDINARY + len(SPECIALS)
N_ROWS = 4112  # of the embedding: N_TOKENS rounded up to 16

SAMPLE = 6

SPLITS = [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+"]


def pre_tokenizer():
    steps = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in SPLITS]
    steps.append(pre_tokenizers.Digits(individual_digits=True))
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    return pre_tokenizers.Sequence(steps)


def learn(texts):
    """A tokenizer of N_ORDINARY tokens, without specials: text never becomes one."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer()
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=N_ORDINARY, initial_alphabet=alphabet, max_token_length=24, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() != N_ORDINARY:
        n_tokens = tokenizer.get_vocab_size()
        raise SystemExit(f"the corpus gives only {n_tokens} of {N_ORDINARY} tokens")
    return tokenizer


def load(run):
    return tokenizers.Tokenizer.from_file(str(run / "tokenizer.json"))


def read_records(path):
    with open(path, encoding="utf-8") as file:
        yield from map(json.loads, file)


def is_sampled(record):
    """One file in SAMPLE: merges do not get better with more, and learning takes long."""
    return zlib.crc32(f"{record['package']} {record['path']}".encode()) % SAMPLE == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path)
    args = parser.parse_args()
    records = read_records(args.run / "corpus/train.jsonl")
    tokenizer = learn(record["text"] for record in records if is_sampled(record))
    tokenizer.save(str(args.run / "tokenizer.json"))
    held_out = [r["text"] for r in read_records(args.run / "corpus/held_out.jsonl")][::10]
    n_tokens = sum(len(encoding.ids) for encoding in tokenizer.encode_batch(held_out))
    n_bytes = sum(len(text.encode()) for text in held_out)
    print(f"{n_bytes / n_tokens:.3f} bytes a token on {n_bytes / 1e6:.1f} MB of held-out text")


if __name__ == "__main__":
    main()
