"""Finds files that share text with the benchmarks: n-grams of words, as the paper has it.

A 10-gram of words that a test string has is enough; a test string of 3 to 9 words must be there as
a whole. Words are what lies between white space, so ten of them are about two lines of code.
"""

import gzip
import json
import pathlib

N_GRAM = 10
MIN_WORDS = 3

HUMANEVAL = "human-eval/HumanEval.jsonl.gz"
MBPP = "mbpp/mbpp.jsonl"


def test_strings(folder):
    """Prompts and solutions of HumanEval and MBPP from a folder of evaluation sets."""
    folder = pathlib.Path(folder)
    strings = []
    with gzip.open(folder / HUMANEVAL, "rt", encoding="utf-8") as file:
        for item in map(json.loads, file):
            strings += [item["prompt"], item["canonical_solution"]]
    with open(folder / MBPP, encoding="utf-8") as file:
        for item in map(json.loads, file):
            strings += [item["text"], item["code"]]
    return strings


class Contamination:
    def __init__(self, strings):
        self.grams = {n: set() for n in range(MIN_WORDS, N_GRAM + 1)}
        for string in strings:
            words = string.split()
            if len(words) >= N_GRAM:
                for i in range(len(words) - N_GRAM + 1):
                    self.grams[N_GRAM].add(" ".join(words[i : i + N_GRAM]))
            elif len(words) >= MIN_WORDS:
                self.grams[len(words)].add(" ".join(words))

    def is_in(self, text):
        words = text.split()
        for n, grams in self.grams.items():
            if grams and any(
                " ".join(words[i : i + n]) in grams for i in range(len(words) - n + 1)
            ):
                return True
        return False
