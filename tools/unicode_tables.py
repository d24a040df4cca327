#!/usr/bin/env python3
"""Writes tokenizer/unicode_ranges.c: the general categories L, P and N as one list of boundaries.

    pip install unicodedata2==16.0.0
    python tools/unicode_tables.py

Run it from the root of the source tree. The result is committed, because the table belongs to the
tokenizer's behaviour and must not change with the Python of whoever builds. The version of Unicode
is that of the package `tokenizers` 0.23, with which the tokenizer is compared.
"""

import sys

import unicodedata2 as unicodedata

CLASSES = {"L": 1, "P": 2, "N": 3}  # enum lm_unicode_class; everything else is 0


def class_of(code_point):
    return CLASSES.get(unicodedata.category(chr(code_point))[0], 0)


def boundaries():
    """Where a class begins: code point << 2 | class, ascending, neighbours differ in class."""
    found = []
    for code_point in range(sys.maxunicode + 1):
        here = class_of(code_point)
        if not found or found[-1] & 3 != here:
            found.append(code_point << 2 | here)
    return found


def rows(words, per_row):
    for at in range(0, len(words), per_row):
        yield "    " + ", ".join(words[at : at + per_row]) + ","


def main():
    lines = [
        "// Written by tools/unicode_tables.py; not edited by hand."
        f" Unicode {unicodedata.unidata_version}.",
        "",
        '#include "tokenizer/unicode.h"',
        "",
        "// clang-format off",
        "const unsigned char lm_unicode_ascii[128] = {",
        *rows([str(class_of(code_point)) for code_point in range(128)], 32),
        "};",
        "",
        "const uint32_t lm_unicode_boundaries[] = {",
        *rows([f"0x{value:06x}" for value in boundaries()], 8),
        "};",
        "// clang-format on",
        "",
        "const size_t lm_unicode_n_boundaries =",
        "    sizeof lm_unicode_boundaries / sizeof lm_unicode_boundaries[0];",
    ]
    with open("tokenizer/unicode_ranges.c", "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
