#!/usr/bin/env python3
"""Multiplies the output norm of a GGUF file, and with it all logits: python3 sharpen.py FILE FACTOR

The logits of random weights have a standard deviation of about 1, which is nearly the same
probability for every token. Three times that is about as sure of itself as a real model.
Needs the package `gguf`.
"""

import sys

import gguf

reader = gguf.GGUFReader(sys.argv[1], "r+")
norm = next(t for t in reader.tensors if t.name == "output_norm.weight")
norm.data[:] *= float(sys.argv[2])
reader.data.flush()
