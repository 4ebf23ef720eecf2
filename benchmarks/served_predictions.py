"""Whether a server answers a multi-label run's test documents as its predictions.parquet says.

    python -m benchmarks.served_predictions RUN --url http://127.0.0.1:PORT --model NAME

Asks for every test document of the run, and compares: the probabilities, and the labels with those
that reach their threshold of bundle.json. Ends with status 1 where any labels differ.
"""

import argparse
import json
import sys
from pathlib import Path

import pyarrow.parquet as pq

from docsort.core.bundle import read_bundle
from docsort.data.settings import DataSettings
from docsort.data.tables import read_table
from docsort.serving.client import classify_at

DOCUMENTS_A_REQUEST = 8  # long ones, on a busy machine, answer within the server's time


def main() -> None:
    """Compare, and print what was found as JSON."""
    arguments = _parser().parse_args()
    bundle = read_bundle(arguments.run / "bundle")
    thresholds = bundle.calibration.thresholds
    if thresholds is None:
        sys.exit(f"{arguments.run} gives one label a document: it has no thresholds")
    data = DataSettings(**bundle.provenance["config"]["data"])
    assert data.test is not None
    texts = read_table(data.test, data.columns, data.label_separator).dataset["text"][:]
    predictions = pq.read_table(arguments.run / "predictions.parquet").to_pylist()
    asked = [texts[row["row"]] for row in predictions]
    answers = [
        answer
        for start in range(0, len(asked), DOCUMENTS_A_REQUEST)
        for answer in classify_at(
            arguments.url, arguments.model, asked[start : start + DOCUMENTS_A_REQUEST]
        )
    ]
    differing, largest = 0, 0.0
    for row, answer in zip(predictions, answers, strict=True):
        scores = {each["label"]: each["score"] for each in answer["scores"]}
        known = {label: row[f"probability/{label}"] for label in bundle.labels}
        reached = {
            label
            for label, limit in zip(bundle.labels, thresholds, strict=True)
            if known[label] >= limit
        }
        differing += set(answer["labels"]) != reached or set(row["predicted"]) != reached
        largest = max(largest, *(abs(scores[label] - known[label]) for label in known))
    result = {
        "documents": len(answers),
        "labels_served": sum(len(answer["labels"]) for answer in answers),
        "documents_with_other_labels": differing,
        "largest_difference_of_a_probability": largest,
        "thresholds": [round(min(thresholds), 3), round(max(thresholds), 3)],
    }
    print(json.dumps(result, indent=2))
    sys.exit(differing > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.served_predictions")
    parser.add_argument("run", type=Path, help="folder of a finished `docsort train`")
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", required=True)
    return parser


if __name__ == "__main__":
    main()
