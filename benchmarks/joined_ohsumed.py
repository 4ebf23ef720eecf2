"""A multi-label set made from Ohsumed, whose abstracts have one label each, by joining abstracts.

    python -m benchmarks.joined_ohsumed FOLDER [--ohsumed ../shared/data/ohsumed] [--share 1]
    docsort train data=csv data.train=FOLDER/train.csv data.test=FOLDER/test.csv \\
        "data.label_separator=';'"

Every abstract is used once: shuffled by the seed, cut into groups of one to three, joined by an
empty line. A document's labels are those of its abstracts (two may share one). Train stays apart
from test. So it is made up: passages tell the labels, and chance which of them stand together.
"""

import argparse
import csv
import random
from pathlib import Path

MAX_JOINED = 3
SEPARATOR = ";"
FILES = ("train.csv", "test.csv")


def main() -> None:
    """Write both files, and say of what they were made."""
    arguments = _parser().parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        with (arguments.ohsumed / name).open(encoding="utf-8", newline="") as stream:
            abstracts = [(row["text"], row["label"]) for row in csv.DictReader(stream)]
        documents = join(abstracts, arguments.share, arguments.seed)
        with (arguments.folder / name).open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([("text", "label"), *documents])
        print(
            f"{arguments.folder / name}: {len(documents)} documents joined from "
            f"{arguments.share:.0%} of Ohsumed's {len(abstracts)}, seed {arguments.seed}"
        )


def join(abstracts: list[tuple[str, str]], share: float, seed: int) -> list[tuple[str, str]]:
    """(text, labels joined by SEPARATOR) of groups of 1 to MAX_JOINED abstracts, equally likely."""
    rng = random.Random(seed)
    chosen = rng.sample(abstracts, round(share * len(abstracts)))
    documents = []
    while chosen:
        size = rng.randint(1, MAX_JOINED)
        group, chosen = chosen[:size], chosen[size:]
        text = "\n\n".join(text for text, _ in group)
        documents.append((text, SEPARATOR.join(sorted({label for _, label in group}))))
    return documents


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.joined_ohsumed")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ohsumed", type=Path, default=Path("../shared/data/ohsumed"))
    parser.add_argument("--share", type=float, default=1.0, help="of the abstracts, 0 to 1")
    parser.add_argument("--seed", type=int, default=1)
    return parser


if __name__ == "__main__":
    main()
