#!/usr/bin/env python3
"""Compares Lemnos with PyTorch on the same weights.

    python compare.py RUN_FOLDER MODEL.pt MODEL.gguf --lemnos PATH [--prompts 20] [--tokens 64]

Lemnos continues beginnings of held-out files greedily; PyTorch reads what it wrote. Where the best
two of PyTorch's logits are further apart than four times the measured error, Lemnos must have taken
the best. The error is the largest difference of log-probabilities among Lemnos's most probable.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import torch

import model as models
import tokens

N_TOP = 20


def load_model(path):
    state = torch.load(path, map_location="cpu", weights_only=True)
    model = models.Model(models.Config(**state["config"]))
    model.load_state_dict(state["model"])
    model.set_rope(state["context"], **state["rope"])
    return model.eval()


def prompts(run, count):
    """Beginnings of held-out files that end with a line, 300 to 600 characters, far apart."""
    records = list(tokens.read_records(run / "corpus/held_out.jsonl"))
    records = [record for record in records if len(record["text"]) > 2000]
    for record in records[:: max(len(records) // count, 1)][:count]:
        text = f"# {record['path']}\n{record['text']}"
        yield text[: text.find("\n", 300) + 1][:600]


def continue_text(args, prompt):
    command = [args.lemnos, "run", "-m", str(args.gguf), "--kv", "f32", "--json", "--ignore-end"]
    command += ["-n", str(args.tokens), "--logprobs", str(N_TOP), "--", prompt]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


@torch.no_grad()
def compare_one(model, prompt_ids, result):
    """(largest error, [(token, best token, gap)]) of one continuation."""
    ids = [tokens.BOS] + prompt_ids + result["tokens"]
    rows = model(torch.tensor([ids[:-1]]))[0, len(prompt_ids) :].log_softmax(-1)
    error, choices = 0.0, []
    for row, token, said in zip(rows, result["tokens"], result["logprobs"]):
        for top in said["top"]:
            difference = abs(float(row[top["token"]]) - top["logprob"])
            # Negated, so that a NaN counts.
            error = error if difference <= error else difference
        best = row.topk(2)
        choices.append((token, int(best.indices[0]), float(best.values[0] - best.values[1])))
    return error, choices


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("gguf", type=pathlib.Path)
    parser.add_argument("--lemnos", default="lemnos")
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=64)
    args = parser.parse_args()
    model, tokenizer = load_model(args.model), tokens.load(args.run)
    error, choices = 0.0, []
    for prompt in prompts(args.run, args.prompts):
        result = continue_text(args, prompt)
        prompt_ids = tokenizer.encode(prompt).ids
        if result["prompt_tokens"] != len(prompt_ids) + 1:
            raise SystemExit(f"{result['prompt_tokens']} prompt tokens, not {len(prompt_ids) + 1}")
        largest, more = compare_one(model, prompt_ids, result)
        error = error if largest <= error else largest
        choices += more
    sure = [choice for choice in choices if choice[2] > 4 * error]
    wrong = [choice for choice in sure if choice[0] != choice[1]]
    print(f"{len(choices)} tokens, error {error:.2g} nats, {len(sure)} sure, {len(wrong)} differ")
    return 1 if wrong or not sure or not error < 0.05 else 0


if __name__ == "__main__":
    sys.exit(main())
