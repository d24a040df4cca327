#!/usr/bin/env python3
"""Writes the model card and the notice of what ships, of what the other scripts left in a run.

    python card.py RUN_FOLDER [--base nano] [--assets ../../assets]

Nothing in the card is typed by hand: what was not made or measured is named as such. The loss curve
goes beside the card.
"""

import argparse
import datetime
import hashlib
import json
import pathlib
import shutil

import torch

import chat
import evaluate
import model as models
import tokens

HERE = pathlib.Path(__file__).resolve().parent
NOT_THERE = "Not {}: no `{}`."

WHAT = """# The models that ship with Lemnos

Two very small models of Python code, for demonstrations, tests and the first start of the program. They
went through the steps of DeepSeek-Coder (Guo et al. 2024, arXiv:2401.14196) in small. **They are a
demonstration, not a coding assistant**: with {parameters:.1f} million parameters they write what looks
like Python and is often wrong. What they write must not be used without reading it, and they know
nothing but Python. For work, load a model of the DeepSeek-Coder family.

- The *base* model continues code: `lemnos run`, `complete`. It takes the form of fill-in-the-middle too
  (`infill`), but hardly learned to fill: the table below has how often it finds a line. What it writes
  soon repeats itself.
- The *instruct* model answers "Write a Python function ..." with a short function: `lemnos chat`.

The licence of Lemnos holds for the weights; `NOTICE` names the owners of the code they were trained on.
The scripts are in `tools/train`, and its README has the commands that make all of this anew."""

HELD_OUT = """Packages with sha256(name) mod 20 = 0 are held out, a rule fixed before any training: {}.
Nothing of them is trained on, and near-duplicates of their files were removed from the rest."""

PLACES = """What was asked, fixed by seeds and by the held-out text before a model was measured
(`tools/train/choices.py`). *Bits per byte*: about 12,000 characters of every held-out section, in windows
of 1,024 tokens, every 512, each behind BOS; Lemnos on some of them. *Lines*: one in a file, by prefix,
suffix, middle, against the same model continuing the prefix. *Completions*: 200 greedy ones of 64 tokens,
at the beginning of a line behind a finished statement, which is where somebody is who presses Enter; and,
as a second kind, behind the head and docstring of a function. Only an unfinished last line may be dropped,
two lines that are not blank must be left, and the file up to there must parse. A bracket or a block that is
open where 64 tokens end fails, also in real code: the truth, cut alike, stands beside it.
*Instructions*: 50 of held-out docstrings, answered greedily; a function with a body that parses, and
`<|EOT|>` within 256 tokens."""


SHORTFALLS = {
    "fill-in-the-middle": """*Fill-in-the-middle* was hardly learned. In the first half of the training the
middles were cut out anywhere, and from those the model learned neither where a middle begins nor where
it ends; single lines came late (the table of the training has the steps). What a line costs the model,
in nats, is the finer measure; it stands below.""",
    "completions": """*Completions* of 64 tokens often end inside a bracket or a block, and then do not
parse by this rule, whoever wrote them.""",
    "instructions": """*Instructions* that fail repeat themselves without an end, or copy the name from behind
its quote mark without the space that belongs before it (`defsep`).""",
}


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def read_text(path, what):
    if path.exists():
        return path.read_text(encoding="utf-8").strip()
    return NOT_THERE.format(what, path.name)


def table(head, rows):
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join(lines + [f"| {' | '.join(map(str, row))} |" for row in rows])


# ---- what it is ----------------------------------------------------------------------------------


def architecture(state):
    c = models.Config(**state["config"])
    rope = state["rope"]
    return table(
        ["", ""],
        [
            ("architecture", "llama; output matrix = embedding"),
            ("parameters", f"{c.n_parameters():,}"),
            ("layers, width", f"{c.n_layer}, {c.n_embd}"),
            ("heads: queries, keys; size", f"{c.n_head}, {c.n_head_kv}; {c.head_dim}"),
            ("feed-forward", f"{c.n_ff}, SwiGLU"),
            ("context", f"{state['context']:,} tokens"),
            ("RoPE", f"base {rope['base']:,.0f}, positions divided by {rope['factor']:g}"),
            ("vocabulary", f"{tokens.N_ORDINARY:,} and {len(tokens.SPECIALS)} special tokens"),
        ],
    )


def files(assets):
    rows = [
        (f"`{path.name}`", f"{path.stat().st_size:,}", f"`{sha256(path)}`")
        for path in sorted(assets.glob("lemnos-nano-*.gguf"))
    ]
    return table(["file", "bytes", "SHA-256"], rows) if rows else "No files yet."


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# ---- how it was made -----------------------------------------------------------------------------


def training(run, name):
    checkpoint = run / name / "checkpoint.pt"
    if not checkpoint.exists():
        return NOT_THERE.format("trained", f"{name}/checkpoint.pt")
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    plan, curve = state["plan"], state["curve"]
    rows = [
        ("steps, tokens a step", f"{state['step']:,}, {plan['tokens_per_step']:,}"),
        ("rate", f"{plan['lr']:g}, warm-up {plan['warm_up']:.1%} of the steps"),
        ("AdamW", f"{tuple(plan['betas'])}, decay {plan['weight_decay']:g}, clip {plan['clip']:g}"),
        ("seed", plan["seed"]),
        ("time in steps", f"{datetime.timedelta(seconds=round(state['seconds']))}"),
    ]
    if "extend_at" in plan and "base" not in plan:
        stages = " and ".join(f"{stage:.0%}" for stage in plan["stages"])
        rows.insert(2, ("stages", f"the rate times √(1/10) at {stages} of the steps"))
        rows.insert(
            3, ("context", f"{plan['context']:,}; four times that from {plan['extend_at']:.0%}")
        )
        if plan.get("settle"):
            said = f"again to {plan['settle_lr']:g} at step {round(plan['settle_at'] * plan['steps']):,}, "
            said += f"then like a cosine; {plan['settle']:.1%} of the steps more"
            rows.insert(4, ("the rate", said))
        if plan.get("short_until"):
            said = f"texts that stand there twice until {plan['copy_until']:.0%}"
            said += f", rows of {plan['context'] // 4} tokens until {plan['short_until']:.0%}"
            rows.insert(4, ("first steps", said))
        if plan.get("lines"):
            said = f"from {plan['lines'][0][0]:.0%}: four in five middles are one line or its end; "
            said += f"from {plan['weigh_at']:.0%} their tokens count {plan['middle_weight']:g} times"
            rows.insert(5, ("lines to fill in", said))
    measured = [row for row in curve if row["held_out"]]
    if measured:
        rows.append(("held out at the end, bits per byte", measured[-1]["held_out"]))
    return table(["", ""], rows)


def instruct_part(run):
    counts = read_json(run / "pairs/counts.json")
    if not counts:
        return NOT_THERE.format("made", "pairs/counts.json")
    return (
        f"{counts['pairs']:,} pairs of an instruction and a function from {counts['packages']} "
        f"training packages, {counts['tokens']:,} tokens, {counts['answer_tokens']:,} of them of "
        "answers, which alone count in the loss (as in the paper's fine-tuning). The rate falls like a "
        f"cosine. The chat template is DeepSeek-Coder's with the system text "
        f"“{chat.SYSTEM.strip()}”."
    )


# ---- how it measured -----------------------------------------------------------------------------


def verdicts(results):
    """[(what was to be shown, value, whether it is)] of the evaluation."""
    found = []
    if bits := results.get("bits"):
        limit = min(1.40, 0.8 * bits["xz"])
        found.append(
            (
                f"bits per byte ≤ min(1.40, 0.80 × xz) = {limit:.3f}",
                bits["pytorch"],
                bits["pytorch"] <= limit,
            )
        )
        if same := bits.get("same windows"):
            off = abs(same["difference"])
            found.append(("PyTorch f32 and Lemnos Q8_0 within 0.5 %", f"{off:.3%}", off <= 0.005))
    if lines := results.get("lines"):
        found.append(
            ("fill-in-the-middle ≥ 1.5 × continuing", lines["ratio"], lines["ratio"] >= 1.5)
        )
    if completions := results.get("completions"):
        share = completions[evaluate.choices.STATEMENT]["model"]["share"]
        found.append(("completions that parse ≥ 80 %", f"{share:.1%}", share >= 0.8))
    if answers := results.get("answers"):
        share = answers["function and end"]["share"]
        found.append(("instructions answered by a function ≥ 80 %", f"{share:.1%}", share >= 0.8))
    return found


def measured(run, name):
    results = read_json(run / f"{name}.json")
    if not results:
        return NOT_THERE.format("measured", f"{name}.json")
    rows = []
    for what, value, good in verdicts(results):
        value = f"{value:.3f}" if isinstance(value, float) else value
        rows.append((what, value, "yes" if good else "**no**"))
    wanted = table(["wanted", "measured", "reached"], rows)
    missed = " ".join(what for what, _, good in verdicts(results) if not good)
    why = [text for name, text in SHORTFALLS.items() if name in missed]
    return "\n\n".join([PLACES, wanted, *why, table(["held out", ""], evaluate.rows_of(results))])


def length_of(run, name):
    """[(what, value)]: how long a short run was; of a model that was there before: -."""
    rows = ["parameters", "steps, tokens a step", "time in steps", "bits per byte at the end"]
    checkpoint = run / name / "checkpoint.pt"
    if not checkpoint.exists():
        return [(row, "-") for row in rows]
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    plan, measured = state["plan"], [row["held_out"] for row in state["curve"]]
    size = max(plan["tokens_per_step"], plan["context"] * (4 if plan["extend_at"] == 0 else 1))
    seconds = datetime.timedelta(seconds=round(state["seconds"]))
    n_parameters = models.Config(**plan["config"]).n_parameters()
    values = (f"{n_parameters:,}", f"{state['step']:,}, {size:,}", seconds, measured[-1] or "-")
    return list(zip(rows, values))


def ablation(run, title, names):
    """A table with a column for each of some short runs."""
    results = {name: read_json(run / f"{name}.json") for name in names}
    there = [name for name in names if results[name]]
    missing = [f"{name}.json" for name in names if not results[name]]
    parts = [f"{title}:"]
    if there:
        columns = [dict(length_of(run, name) + evaluate.rows_of(results[name])) for name in there]
        whats = [what for what in columns[0] if any(c[what] != "-" for c in columns)]
        parts.append(table(["", *there], [(what, *(c[what] for c in columns)) for what in whats]))
    if missing:
        parts.append(NOT_THERE.format("measured", "`, `".join(missing)))
    return "\n\n".join(parts)


def compose(run, base, assets):
    state = torch.load(run / base / "model.pt", map_location="cpu", weights_only=True)
    n_parameters = models.Config(**state["config"]).n_parameters()
    held_out = ", ".join((HERE / "held_out.txt").read_text(encoding="utf-8").split())
    parts = [
        WHAT.format(parameters=n_parameters / 1e6),
        architecture(state),
        files(assets),
        "## What they were trained on",
        "Python packages under MIT, BSD, Apache and PSF licences and the standard library, filtered "
        "as section 2 of the paper says; files under other licences are dropped one by one.",
        read_text(run / "corpus/counts.md", "counted"),
        HELD_OUT.format(held_out),
        "## How the base model was trained",
        "Next-token prediction; half of the documents as fill-in-the-middle (prefix, suffix, middle), "
        "before packing; files of a repository in dependency order, each behind its path.",
        training(run, base),
        "![loss](curve.svg)",
        "The size, by short runs:",
        read_text(run / "fit.md", "fitted"),
        "## How the instruct model was trained",
        instruct_part(run),
        training(run, "instruct"),
        "## How they measured",
        measured(run, "evaluation"),
        "## What the paper's choices give, in short runs",
        ablation(
            run,
            "Fill-in-the-middle at rate 0.5, most middles one line (short), and at rate 0 (plain), both "
            "going on with the same rates from the base model at half of its steps (begin), which "
            "had seen middles cut out anywhere",
            ("begin", "short", "plain"),
        ),
        ablation(
            run,
            "Files in dependency order and shuffled, both going on from the base model (nano-order); "
            "what the beginning of a held-out file costs",
            ("nano-order", "ordered", "shuffled"),
        ),
    ]
    return "\n\n".join(parts) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--base", default="nano", help="folder of the base model in RUN_FOLDER")
    parser.add_argument("--assets", type=pathlib.Path, default=HERE.parent.parent / "assets")
    args = parser.parse_args()
    card = compose(args.run, args.base, args.assets)
    (args.assets / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    shutil.copyfile(args.run / "corpus/NOTICE", args.assets / "NOTICE")
    curve = args.run / args.base / "curve.svg"
    if curve.exists():
        shutil.copyfile(curve, args.assets / "curve.svg")
    print(card)


if __name__ == "__main__":
    main()
