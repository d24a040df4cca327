"""The card says what was measured, what falls short and what is missing."""

import json
import pathlib
import tempfile
import unittest

import torch

import card
import evaluate
import model as models
import train

SHARE = {"good": 3, "of": 10, "share": 0.3}
RESULTS = {
    "bits": {
        "documents": 2,
        "bytes": 100,
        "windows": 4,
        "pytorch": 1.3,
        "xz": 2.0,
        "same windows": {
            "documents": 1,
            "windows": 2,
            "file": "x-Q8_0.gguf",
            "pytorch": 1.3,
            "lemnos": 1.31,
            "difference": 1.31 / 1.3 - 1,
        },
    },
    "lines": {"infill": SHARE, "continuing": {**SHARE, "good": 2}, "ratio": 1.5},
    "completions": {
        kind: {
            name: SHARE
            for name in (
                "model",
                "truth",
                "model where truth parses",
                "model, logical lines",
                "truth, logical lines",
            )
        }
        for kind in (evaluate.choices.STATEMENT, evaluate.choices.FUNCTION)
    },
    "answers": {"function and end": {**SHARE, "share": 0.9}, "has the name asked for": SHARE},
}


class Card(unittest.TestCase):
    def test_verdicts(self):
        good = [good for _, _, good in card.verdicts(RESULTS)]
        self.assertEqual(good, [True, False, True, False, True])
        poor = {"bits": {"pytorch": 1.3, "xz": 1.6, "windows": 4}}
        self.assertEqual([good for _, _, good in card.verdicts(poor)], [False])

    def test_composed(self):
        config = models.Config(1, 64, 1, 1, 64)
        state = {
            "config": train.dataclasses.asdict(config),
            "context": 4096,
            "rope": models.ROPE_LONG,
            "model": {},
        }
        with tempfile.TemporaryDirectory() as folder:
            run = pathlib.Path(folder)
            for name in ("nano", "corpus"):
                (run / name).mkdir()
            torch.save(state, run / "nano/model.pt")
            text = card.compose(run, "nano", run)
            for missing in ("counts.md", "fit.md", "evaluation.json", "short.json", "nano-order.json"):
                self.assertIn(missing, text)
            (run / "evaluation.json").write_text(json.dumps(RESULTS))
            for name in ("begin", "short", "plain"):
                (run / f"{name}.json").write_text(json.dumps({"lines": RESULTS["lines"]}))
            text = card.compose(run, "nano", run)
        self.assertIn("| completions that parse ≥ 80 % | 30.0% | **no** |", text)
        self.assertIn("| 0.769% | **no** |", text)
        self.assertIn("| the first over the second | 1.50 | 1.50 | 1.50 |", text)
        self.assertNotIn("evaluation.json", text)


if __name__ == "__main__":
    unittest.main()
