"""The weights as each kind of system wants them: the same, without a bundle. Knows no server."""

from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.peers.plain_model import PlainModel
from benchmarks.scoring import plain_model, untrained_scorer
from benchmarks.serving.docsort_system import MODEL, NAME, VERSION
from benchmarks.serving.peers import build_plain_archive
from docsort.core.scorer import Scorer
from docsort.serving.archive import build_archive


@dataclass(frozen=True)
class Models:
    """In one folder: docsort's archive, transformers' folder, the plain handler's archive.

    ``plain`` is the folder, ``plain_store`` holds the plain handler's archive, ``plain_here`` says
    what systems of the plain model have to answer.
    """

    scorer: Scorer
    archive: Path
    plain: Path
    plain_store: Path
    plain_here: PlainModel

    @classmethod
    def make(cls, folder: Path, bundle: Path | None = None) -> "Models":
        """``bundle``: docsort's own, single-label; the peers' weights are then others."""
        torch.manual_seed(1)
        scorer = Scorer.load(bundle) if bundle else untrained_scorer(folder / "bundle")
        archive = build_archive(bundle or folder / "bundle", MODEL, VERSION, folder / "store")
        plain = folder / "plain"
        model, tokenizer = plain_model()
        model.save_pretrained(plain)
        tokenizer.save_pretrained(plain)
        build_plain_archive(plain, folder / "plain_store")
        return cls(scorer, archive, plain, folder / "plain_store", PlainModel(str(plain)))

    def score(self, system: str, text: str) -> float:
        """The best label's score, computed here: what the system has to answer."""
        if system == NAME:
            return float(self.scorer.score([text])[0].probabilities.max())
        return float(self.plain_here.classify([text])[0]["score"])
