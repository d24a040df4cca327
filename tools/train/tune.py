#!/usr/bin/env python3
"""Makes the instruct model of the base model.

    python tune.py RUN_FOLDER RUN_FOLDER/nano/model.pt [--threads 2] [--epochs 2]

Reads the pairs of instruct.py; as in the paper (section 4) only the answers count in the loss, and
the rate falls like a cosine. Writes RUN_FOLDER/NAME as train.py does, and like it goes on from its
checkpoint when it is started again. In the curve "held out" is what answers of held-out pairs cost,
in bits a byte.
"""

import argparse
import dataclasses
import hashlib
import json
import math
import pathlib

import numpy as np
import torch

import chat
import instruct
import model as models
import pack
import tokens
import train


@dataclasses.dataclass
class TunePlan(train.Plan):
    base: str = ""  # SHA-256 of the file with the base model
    base_context: int = 4096
    rope: dict = dataclasses.field(default_factory=lambda: models.ROPE_LONG)
    last: float = 0.05  # of the rate, at the end

    def lr_at(self, step):
        warm_up = max(round(self.warm_up * self.steps), 1)
        if step < warm_up:
            return self.lr * (step + 1) / warm_up
        done = (step - warm_up) / max(self.steps - warm_up, 1)
        return self.lr * (self.last + (1 - self.last) * (1 + math.cos(math.pi * done)) / 2)

    def n_steps(self):
        return self.steps

    def phase(self, _):
        return self.base_context, self.rope, self.rows


class Tuning(train.Training):
    def __init__(self, plan, run, folder, base):
        super().__init__(plan, run, folder)
        self.model.load_state_dict(base["model"])
        self.table = read_rows(run)

    def batch(self):
        count = self.plan.tokens_per_step // self.plan.context
        order = order_of_rows(len(self.table), self.step * count, count, self.plan.seed)
        return *split(torch.from_numpy(self.table[order].astype(np.int64))), None


def read_rows(run):
    path = pack.path_of(run, "instruct", 0)
    if not path.exists():
        raise SystemExit(f"{path} is missing: make it with instruct.py")
    return np.fromfile(path, dtype=np.uint16).reshape(-1, instruct.CONTEXT + 1)


def order_of_rows(n_rows, first, count, seed):
    """Numbers of the rows `first` to `first + count - 1`; each epoch has an order of its own."""
    numbers = []
    for i in range(first, first + count):
        epoch, at = divmod(i, n_rows)
        if not numbers or at == 0:
            order = np.random.default_rng([seed, epoch]).permutation(n_rows)
        numbers.append(order[at])
    return np.array(numbers)


def split(rows):
    """(ids, targets) of marked rows: only answers are asked for."""
    ids = rows & (instruct.IN_ANSWER - 1)
    targets = ids[:, 1:].masked_fill(rows[:, 1:] < instruct.IN_ANSWER, models.NO_TARGET)
    return ids[:, :-1], targets


def held_out_answers(run, tokenizer):
    """The held-out pairs as windows of measure.py."""
    found = []
    for pair in tokens.read_records(run / "pairs/held_out.jsonl"):
        prompt = chat.prompt_ids(tokenizer, pair["instruction"])
        answer = chat.answer_ids(tokenizer, pair["code"])
        ids = np.array(prompt + answer, dtype=np.uint16)
        found.append((ids, len(answer), len(tokenizer.decode(answer[:-1]).encode())))
    return found


def plan_of(args, base, n_rows):
    count = args.tokens_per_step // instruct.CONTEXT
    return TunePlan(
        config=models.Config(**base["config"]),
        steps=max(round(args.epochs * n_rows / count), 1),
        tokens_per_step=args.tokens_per_step,
        lr=args.lr,
        context=instruct.CONTEXT,
        seed=args.seed,
        base=hashlib.sha256(args.base.read_bytes()).hexdigest(),
        base_context=base["context"],
        rope=base["rope"],
    )


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("base", type=pathlib.Path, help="model.pt of train.py")
    parser.add_argument("--name", default="instruct", help="of the folder in RUN_FOLDER")
    parser.add_argument("--epochs", type=float, default=2)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--tokens-per-step", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--micro-tokens", type=int, default=4096, help="of one pass")
    parser.add_argument("--stop-at", type=int, default=-1, help="stop behind this step")
    parser.add_argument("--save-seconds", type=float, default=120)
    parser.add_argument("--measure-every", type=int, default=100)
    parser.add_argument("--print-every", type=int, default=10)
    return parser.parse_args()


def main():
    train.keep_memory()
    args = arguments()
    torch.set_num_threads(args.threads)
    base = torch.load(args.base, map_location="cpu", weights_only=True)
    plan = plan_of(args, base, len(read_rows(args.run)))
    folder = args.run / args.name
    folder.mkdir(parents=True, exist_ok=True)
    training = Tuning(plan, args.run, folder, base)
    training.load()
    print(json.dumps({"steps": plan.steps, "from": training.step, "lr": plan.lr}), flush=True)
    held_out = held_out_answers(args.run, tokens.load(args.run)) if args.measure_every else None
    if train.run_steps(training, args, held_out):
        train.save_model(training, folder / "model.pt")


if __name__ == "__main__":
    main()
