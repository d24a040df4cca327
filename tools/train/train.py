#!/usr/bin/env python3
"""Trains the base model.

    python train.py RUN_FOLDER --preset nano [--threads 2] [--steps N] [--name NAME]

Reads the rows of pack.py, writes RUN_FOLDER/NAME: checkpoint.pt, curve.csv, curve.svg, and model.pt
at the end. Started again with the same arguments it goes on from the checkpoint, and comes to the
same weights as without the interruption (with the same number of threads on the same machine).
"""

import argparse
import csv
import ctypes
import dataclasses
import hashlib
import math
import os
import pathlib
import signal
import time

import numpy as np
import torch

import measure
import model as models
import pack
import plot
import tokens


@dataclasses.dataclass
class Plan:
    """A run, but for where its files are."""

    config: models.Config
    steps: int
    tokens_per_step: int
    lr: float
    context: int = 1024  # of the first phase; a quarter of that at first, four times in the second
    copy_until: float = 0.04  # of the steps: until here texts of context / 16 tokens, twice each
    short_until: float = 0.4  # of the steps: until here the rows are short
    # From these shares of the steps most middles are one line, in rows that many times shorter.
    lines: tuple = ((0.56, 4), (0.75, 1))
    weigh_at: float = 0.85  # of the steps: from here a token of a middle counts as much as
    middle_weight: float = 5.0  # so many others
    extend_at: float = 0.85  # of the steps, where the second phase begins
    settle_at: float = 0.85  # of the steps, where the rate rises once more, and falls like a cosine
    settle: float = 0.22  # of the steps: as many more from there
    settle_rows: tuple = ((0.0, 4), (0.45, 1))  # as `lines`, of those steps
    settle_long_at: float = 0.89  # of those steps: from here with the whole context
    settle_lr: float = 1.5e-3
    warm_up: float = 0.025
    stages: tuple = (0.7, 0.85)  # of the steps, where the rate goes down by sqrt(1/10)
    weight_decay: float = 0.1
    betas: tuple = (0.9, 0.95)
    clip: float = 1.0
    seed: int = 1
    rows: str = "ctx"  # names of the packed files: this and the context
    line_rows: str = "line"  # and of those whose middles are lines
    begin: str = ""  # SHA-256 of the file whose weights it begins with; "": drawn from the seed

    def n_steps(self):
        return round(self.settle_at * self.steps) + round(self.settle * self.steps)

    def lr_at(self, step):
        begin = round(self.settle_at * self.steps)
        if step >= begin:
            done = (step - begin) / (self.n_steps() - begin)
            return self.settle_lr * (0.03 + 0.97 * (1 + math.cos(math.pi * done)) / 2)
        warm_up = max(round(self.warm_up * self.steps), 1)
        if step < warm_up:
            return self.lr * (step + 1) / warm_up
        stage = sum(step >= round(begin * self.steps) for begin in self.stages)
        return self.lr * math.sqrt(1 / 10) ** stage

    def phases(self):
        """[(first step, context, RoPE, name of the rows)]. Long rows with the new RoPE alone took the
        loss from 2.4 to 4.4 nats and brought it back too slowly: most of what is to be learnt anew is
        near. Of middles that are cut out anywhere, so small a model learned neither where they begin
        nor where they end in ten million tokens; of lines it does."""
        short, long = self.context // 4, 4 * self.context
        settle = round(self.settle_at * self.steps)
        extend = round(self.extend_at * self.steps)
        first = [
            (0, short, models.ROPE_SHORT, self.rows),
            (round(self.short_until * self.steps), self.context, models.ROPE_SHORT, self.rows),
        ]
        first += [
            (round(at * self.steps), self.context // part, models.ROPE_SHORT, self.line_rows)
            for at, part in self.lines
        ]
        more = self.n_steps() - settle
        settling = [
            (settle + round(at * more), self.context // part, models.ROPE_LONG, self.line_rows)
            for at, part in self.settle_rows
        ]
        last = (settle + round(self.settle_long_at * more), long, models.ROPE_LONG, self.rows)
        return (
            [phase for phase in first if phase[0] < extend]
            + [(extend, long, models.ROPE_LONG, self.rows)]
            + (settling + [last] if more else [])
        )

    def n_tokens(self):
        ends = [phase[0] for phase in self.phases()][1:] + [self.n_steps()]
        return sum(
            max(end - begin, 0) * max(self.tokens_per_step, context)
            for (begin, context, *_), end in zip(self.phases(), ends)
        )

    def first_row(self, step):
        """(which row of its phase's files a step begins with, how many it takes)."""
        context, _, name = self.phase(step)
        count = max(self.tokens_per_step // context, 1)
        begins = [phase[0] for phase in self.phases()] + [self.n_steps()]
        n = sum(
            max(min(step, end) - begin, 0)
            for (begin, of, _, rows), end in zip(self.phases(), begins[1:])
            if (of, rows) == (context, name)
        )
        return n * count, count

    def weights(self, rows, step):
        """f32 [rows][context], what the target of each place counts; None: all the same."""
        if step < round(self.weigh_at * self.steps):
            return None
        places = torch.arange(rows.shape[1])
        marks = (rows == tokens.END) | (rows == tokens.BOS)
        last = torch.where(marks, places, 0).cummax(dim=1).values
        middle = (rows.gather(1, last) == tokens.END)[:, :-1]
        ended = (rows == tokens.EOS).cumsum(dim=1)
        middle &= (ended == ended.gather(1, last))[:, :-1]
        return 1.0 + (self.middle_weight - 1.0) * middle

    def shaped(self, rows, step):
        """Rows as the first steps want them. From short texts that stand there twice, attention
        learns within two hundred steps to copy; from long rows it did not in nine hundred."""
        if step >= round(self.copy_until * self.steps):
            return rows
        size = self.context // 16
        once = rows[:, :-1].reshape(-1, 2 * size)[:, :size]
        return torch.cat((once, once, once[:, :1]), dim=1)

    def phase(self, step):
        """(context, RoPE, name of the rows) of a step."""
        return [phase[1:] for phase in self.phases() if phase[0] <= step][-1]


PRESETS = {
    "tiny": Plan(models.Config(2, 64, 2, 1, 96, head_dim=64), 40, 2048, 3e-3, context=128),
    "nano": Plan(models.Config(6, 192, 3, 1, 512), 10000, 2048, 3e-3),
    "mini": Plan(models.Config(10, 320, 5, 1, 896), 2400, 131072, 2e-3),
}


class MissingRows(Exception):
    pass


class Data:
    """Rows of one context, from as many files as were packed; mapped, not read."""

    def __init__(self, run, name, context):
        self.run, self.name, self.context = run, name, context
        self.tables = []
        self.n_rows = 0

    def look(self):
        """Takes up the files that were packed since."""
        while (path := pack.path_of(self.run, self.name, len(self.tables))).exists():
            table = np.memmap(path, dtype=np.uint16, mode="r").reshape(-1, self.context + 1)
            self.tables.append(table)
            self.n_rows += len(table)

    def rows(self, first, count):
        """i64 [count][context + 1]."""
        if first + count > self.n_rows:
            self.look()
        if first + count > self.n_rows:
            raise MissingRows(
                f"{self.name}: {self.n_rows} rows are packed and row {first + count} is needed; "
                "make more with pack.py and start again"
            )
        parts = []
        for table in self.tables:
            parts.append(table[first : first + count])
            count -= len(parts[-1])
            first = max(first - len(table), 0)
        return torch.from_numpy(np.concatenate(parts).astype(np.int64))


class Training:
    """Everything that a step changes; save() and load() keep all of it."""

    def __init__(self, plan, run, folder, device="cpu"):
        self.plan, self.folder, self.device = plan, folder, device
        self.model = models.Model(plan.config, seed=plan.seed).to(device)
        matrices = [p for p in self.model.parameters() if p.dim() == 2]
        norms = [p for p in self.model.parameters() if p.dim() == 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": plan.weight_decay},
                {"params": norms, "weight_decay": 0.0},
            ],
            lr=plan.lr,
            betas=plan.betas,
            fused=True,
        )
        kinds = {(context, name) for _, context, _, name in plan.phases()}
        self.data = {(c, name): Data(run, f"{name}{c}", c) for c, name in kinds}
        self.step = 0
        self.curve = []
        self.loss = self.model.loss
        self.seconds = 0.0

    def batch(self):
        """(ids, targets, weights) of this step, [rows][context] each, or shorter; weights or None."""
        context, _, name = self.plan.phase(self.step)
        rows = self.data[context, name].rows(*self.plan.first_row(self.step))
        rows = self.plan.shaped(rows, self.step).to(self.device)
        targets = rows[:, 1:].masked_fill(rows[:, 1:] == tokens.PAD, models.NO_TARGET)
        return rows[:, :-1], targets, self.plan.weights(rows, self.step)

    def set_phase(self):
        context, rope, _ = self.plan.phase(self.step)
        self.model.set_rope(max(context, measure.WINDOW), **rope)

    def train_step(self, micro_tokens):
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.lr_at(self.step)
        batch, targets, weights = self.batch()
        if weights is None:
            weights = torch.ones(targets.shape, device=targets.device)
        weights = weights * (targets != models.NO_TARGET)
        n_targets = float(weights.sum())
        count = max(micro_tokens // batch.shape[1], 1)
        total = 0.0
        for part in zip(batch.split(count), targets.split(count), weights.split(count)):
            with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
                loss = self.loss(*part) / n_targets
            loss.backward()
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.plan.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        if not math.isfinite(total):
            raise SystemExit(f"the loss is {total} at step {self.step}")
        return total

    def begin_with(self, path):
        """Takes the weights of a model.pt."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["config"] != dataclasses.asdict(self.plan.config):
            raise SystemExit(f"{path} has another shape: {state['config']}")
        self.model.load_state_dict(state["model"])

    def save(self):
        """Whole or not at all: a crash in the middle leaves the checkpoint before."""
        state = {
            "plan": dataclasses.asdict(self.plan),
            "step": self.step,
            "curve": self.curve,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "seconds": self.seconds,
        }
        part = self.folder / "checkpoint.part"
        torch.save(state, part)
        os.replace(part, self.folder / "checkpoint.pt")

    def load(self):
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["plan"] != dataclasses.asdict(self.plan):
            raise SystemExit(f"{path} belongs to another plan: {state['plan']}")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"].cpu())
        self.step, self.curve = state["step"], state["curve"]
        self.seconds = state["seconds"]


def write_curve(training):
    if not training.curve:
        return
    part = training.folder / "curve.part"
    with open(part, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(training.curve[0]))
        writer.writeheader()
        writer.writerows(training.curve)
    os.replace(part, training.folder / "curve.csv")
    plot.draw(training.curve, training.folder / "curve.svg", training.folder.name)


def save_model(training, path):
    """What export.py and the measurements read: the model as its last phase left it."""
    context, rope, _ = training.plan.phase(training.plan.n_steps() - 1)
    torch.save(
        {
            "config": dataclasses.asdict(training.plan.config),
            "context": context,
            "rope": rope,
            "step": training.step,
            "model": training.model.state_dict(),
        },
        path,
    )


def run_steps(training, args, held_out):
    """Until the plan's end, args.stop_at or a signal; true when the plan is done."""
    plan, stopping = training.plan, []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.append(True))
    saved = time.monotonic()
    training.set_phase()
    while training.step < plan.n_steps() and not stopping:
        if training.step == args.stop_at:
            break
        if plan.phase(training.step) != plan.phase(max(training.step - 1, 0)):
            training.set_phase()
        start = time.monotonic()
        lr = plan.lr_at(training.step)
        loss = training.train_step(args.micro_tokens)
        seconds = time.monotonic() - start
        training.seconds += seconds
        row = {
            "step": training.step,
            "tokens": training.step * plan.tokens_per_step,
            "lr": f"{lr:.3g}",
            "loss": f"{loss:.4f}",
            "seconds": f"{seconds:.2f}",
            "held_out": "",
        }
        last = training.step == plan.n_steps()
        if held_out and (training.step % args.measure_every == 0 or last):
            row["held_out"] = f"{measure.bits_per_byte(training.model, held_out):.4f}"
        training.curve.append(row)
        if training.step % args.print_every == 0 or row["held_out"]:
            print(" ".join(f"{key} {value}" for key, value in row.items()), flush=True)
        if time.monotonic() - saved > args.save_seconds:
            training.save()
            write_curve(training)
            saved = time.monotonic()
    training.save()
    write_curve(training)
    return training.step == plan.n_steps()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--preset", choices=PRESETS, default="nano")
    parser.add_argument("--name", help="of the folder in RUN_FOLDER; default: the preset")
    parser.add_argument("--steps", type=int, help="instead of the preset's")
    parser.add_argument("--lr", type=float, help="instead of the preset's")
    parser.add_argument("--tokens-per-step", type=int, help="instead of the preset's")
    parser.add_argument("--extend-at", type=float, help="share of the steps; 1: no second phase, and no settling")
    parser.add_argument("--begin", type=pathlib.Path, help="a model.pt to begin with")
    parser.add_argument("--rows", help="prefix of the packed files, for the ablations")
    parser.add_argument("--shape", help="n_layer,n_embd,n_head,n_head_kv,n_ff instead")
    parser.add_argument("--seed", type=int, help="instead of the preset's")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--micro-tokens", type=int, default=4096, help="of one pass")
    parser.add_argument("--stop-at", type=int, default=-1, help="stop behind this step")
    parser.add_argument("--save-seconds", type=float, default=300)
    parser.add_argument("--measure-every", type=int, default=200)
    parser.add_argument("--measure-windows", type=int, default=100, help="about as many windows")
    parser.add_argument("--print-every", type=int, default=10)
    return parser.parse_args()


def plan_of(args):
    plan = PRESETS[args.preset]
    for field in ("steps", "lr", "tokens_per_step", "extend_at", "rows", "seed"):
        if getattr(args, field) is not None:
            plan = dataclasses.replace(plan, **{field: getattr(args, field)})
    if args.rows:
        plan = dataclasses.replace(plan, line_rows=args.rows)
    if args.extend_at is not None:
        plan = dataclasses.replace(plan, settle_at=1.0, settle=0.0)
    if args.begin:
        digest = hashlib.sha256(args.begin.read_bytes()).hexdigest()
        plan = dataclasses.replace(plan, begin=digest)
    if args.shape:
        config = models.Config(*map(int, args.shape.split(",")))
        plan = dataclasses.replace(plan, config=config)
    return plan


def keep_memory():
    """Makes glibc keep freed memory: to get it anew from the system for every tensor took as long
    as half of the step."""
    trim_threshold, mmap_max = -1, -4  # numbers of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, 2**31 - 1)


def main():
    keep_memory()
    args = arguments()
    torch.set_num_threads(args.threads)
    plan = plan_of(args)
    folder = args.run / (args.name or args.preset)
    folder.mkdir(parents=True, exist_ok=True)
    training = Training(plan, args.run, folder, args.device)
    if args.begin:
        training.begin_with(args.begin)
    training.load()
    print(
        f"{plan.config.n_parameters():,} parameters, step {training.step} of {plan.n_steps()}, "
        f"{plan.n_tokens() / 1e6:.1f} M tokens",
        flush=True,
    )
    if args.compile:
        training.loss = torch.compile(training.loss)
    held_out = None
    if args.measure_windows:
        tokenizer = tokens.load(args.run)
        held_out = measure.held_out_windows(args.run, tokenizer, args.measure_windows)
    try:
        if run_steps(training, args, held_out):
            save_model(training, folder / "model.pt")
    except MissingRows as missing:
        training.save()
        write_curve(training)
        raise SystemExit(str(missing)) from None


if __name__ == "__main__":
    main()
