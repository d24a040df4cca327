#!/usr/bin/env python3
"""Fits the size: short runs of three shapes, each given the same seconds, and what they reach.

    python fit.py RUN_FOLDER --seconds 900 --threads 2 [--shapes 6,192,3,1,512 ...]

Each shape is timed first, by a run of a few steps, and gets as many steps as it should do in that
time, with its own whole schedule; the second phase is left out. Writes RUN_FOLDER/fit.md, the table for the card. A shape is
n_layer,n_embd,n_head,n_head_kv,n_ff.
"""

import argparse
import pathlib
import subprocess
import sys

import model as models
import plot

HERE = pathlib.Path(__file__).resolve().parent
SHAPES = ["6,192,3,1,512", "4,256,4,2,672", "3,320,5,1,640"]
TIMED_STEPS = 12


def train(args, shape, steps, windows):
    name = f"fit-{shape.replace(',', '-')}-{steps}"
    command = [sys.executable, str(HERE / "train.py"), str(args.run), "--name", name]
    command += ["--shape", shape, "--steps", str(steps), "--extend-at", "1"]
    command += ["--threads", str(args.threads), "--measure-windows", str(windows)]
    command += ["--tokens-per-step", str(args.tokens_per_step), "--lr", str(args.lr)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return plot.read_curve(args.run / name / "curve.csv")


def row_of(args, shape):
    timed = train(args, shape, TIMED_STEPS, 0)
    # The fastest: on a machine with other work the others tell of that.
    step_seconds = min(float(row["seconds"]) for row in timed)
    steps = max(int(args.seconds / step_seconds), TIMED_STEPS + 1)
    last = train(args, shape, steps, args.measure_windows)[-1]
    rate = args.tokens_per_step / step_seconds
    n_parameters = models.Config(*map(int, shape.split(","))).n_parameters()
    return (
        f"| {shape} | {n_parameters / 1e6:.2f} | {rate:.0f} | {int(last['tokens']) / 1e6:.2f} "
        f"| {last['held_out']} |"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--shapes", nargs="+", default=SHAPES)
    parser.add_argument("--tokens-per-step", type=int, default=8192)
    parser.add_argument("--measure-windows", type=int, default=200)
    parser.add_argument("--lr", type=float, default=3e-3)
    args = parser.parse_args()
    lines = [
        f"About {args.seconds:.0f} s each on {args.threads} threads; layers, width, heads, heads of "
        "keys, feed-forward.",
        "",
        "| shape | M parameters | tokens/s | M tokens | held out, bits per byte |",
        "|---|---:|---:|---:|---:|",
    ]
    for shape in args.shapes:
        lines.append(row_of(args, shape))
        print(lines[-1], flush=True)
    (args.run / "fit.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
