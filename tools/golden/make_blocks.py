#!/usr/bin/env python3
"""Writes tests/golden/blocks.bin: blocks of every quantised format and the weights they stand for.

The blocks are random bits, with the scales that break kernels in the first of them; the weights are
what the package `gguf` dequantises them to. Nothing of Lemnos takes part.

    pip install gguf
    python tools/golden/make_blocks.py

Output, little-endian, for each format: u32 number of the format (ggml_type), u32 number of blocks,
the blocks, then as many f32 as they hold weights.
"""

import argparse
import pathlib

import gguf
import numpy as np

N_BLOCKS = 16

# Where the f16 numbers of a block stand.
FORMATS = {
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q8_0": [0],
    "Q2_K": [80, 82],
    "Q3_K": [108],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
}

# f16: zeros, the least and the largest subnormal, the least normal, one, a number with every bit of
# its mantissa, the largest, the infinities, a NaN.
SPECIAL = [0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x3C00, 0xB7FF, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00,
           0x7E00]  # fmt: skip


def blocks_of(kind, places, random):
    """uint8 [N_BLOCKS][block bytes]."""
    _, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (N_BLOCKS, size), np.uint8)
    for number in range(N_BLOCKS):
        for place in places:
            value = random.normal(0, 0.01)
            half = int(np.array(value, np.float16).view(np.uint16))
            if number < len(SPECIAL) and (place == places[0] or number % 2):
                half = SPECIAL[number if place == places[0] else (number * 5 + 3) % len(SPECIAL)]
            blocks[number, place] = half & 255
            blocks[number, place + 1] = half >> 8
    blocks[-1, :] = 0
    blocks[-2, :] = 255  # quants and scales at their most; the f16 numbers are then NaN
    for place in places:
        blocks[-2, place + 1] = 0x3B
    return blocks


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=root / "tests/golden/blocks.bin")
    args = parser.parse_args()

    random = np.random.default_rng(20)
    out = bytearray()
    for name, places in FORMATS.items():
        kind = gguf.GGMLQuantizationType[name]
        blocks = blocks_of(kind, places, random)
        with np.errstate(invalid="ignore", over="ignore"):
            weights = gguf.quants.dequantize(blocks, kind)
        out += np.array([int(kind), N_BLOCKS], "<u4").tobytes()
        out += blocks.tobytes() + weights.astype("<f4").tobytes()
    args.out.write_bytes(out)


if __name__ == "__main__":
    main()
