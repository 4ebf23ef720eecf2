"""A corpus as batches of windows: tokenised once, batches of similar length. Trains nothing."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from datasets import Dataset
from torch.utils.data import DataLoader

from docsort.core.errors import ConfigError
from docsort.core.tokens import DocumentTokenizer
from docsort.core.windows import DocumentWindows, WindowPlan
from docsort.data.corpus import Corpus
from docsort.data.labels import Ints, label_pairs
from docsort.data.splits import sample
from docsort.data.targets import as_targets
from lightning_modules.sampler import SimilarLengthBatches

# Validation needs no gradients, so several training batches fit in one.
EVAL_BATCH_FACTOR = 4


@dataclass
class Batch:
    """Documents of one step. ``targets``: int64 (D,) or, for several labels each, bool (D, C)."""

    windows: DocumentWindows
    targets: torch.Tensor

    @property
    def num_tokens(self) -> int:
        """Real tokens, special tokens included."""
        return sum(map(len, self.windows.token_ids))


class DocumentDataModule(pl.LightningDataModule):
    """Training and validation batches of a corpus; the plan is the one that serving uses."""

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: DocumentTokenizer,
        plan: WindowPlan,
        batch_size: int,
        seed: int,
    ) -> None:
        """``batch_size``: documents a step and process."""
        super().__init__()
        self._corpus, self._tokenizer, self._plan = corpus, tokenizer, plan
        self.batch_size, self._seed = batch_size, seed
        self.splits: dict[str, Dataset] = {}
        self._place = {"epoch": 0, "drawn": 0}
        self._sampler: SimilarLengthBatches | None = None

    # Lightning would also ask the loader for its place, but restores that too late where, as here,
    # the schedule asks how many steps there will be (Trainer.estimated_stepping_batches).
    def state_dict(self) -> dict[str, int]:
        """The place in the current epoch, for checkpoints."""
        return self._sampler.state_dict() if self._sampler else self._place

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self._place = state_dict

    def setup(self, stage: str) -> None:
        """Tokenise both splits, once; the validation split whole, however long its documents."""
        for name in ("train", "val"):
            if name not in self.splits:
                self.splits[name] = self._tokenise(self._corpus.splits()[name], name)

    def train_dataloader(self) -> DataLoader[Batch]:
        train = self.splits["train"]
        trainer = self.trainer
        sampler = SimilarLengthBatches(
            train.with_format("numpy")["num_tokens"][:],
            self.batch_size,
            self._seed,
            rank=trainer.global_rank if trainer else 0,
            num_processes=trainer.world_size if trainer else 1,
        )
        sampler.load_state_dict(self._place)
        self._sampler = sampler
        return DataLoader(
            train,
            batch_sampler=sampler,
            collate_fn=self._collate,
            generator=torch.Generator(),  # its own: a loader draws from it whenever it begins
        )

    def val_dataloader(self) -> DataLoader[Batch]:
        # longest first: a batch too large for the memory is found in the sanity check
        val = self.splits["val"]
        longest_first = np.argsort(val.with_format("numpy")["num_tokens"][:], kind="stable")[::-1]
        val = val.select(longest_first)
        if self.trainer and self.trainer.world_size > 1:
            _check_enough(len(val), self.trainer.world_size)
            val = val.shard(self.trainer.world_size, self.trainer.global_rank, contiguous=False)
        return DataLoader(
            val,
            batch_size=self.batch_size * EVAL_BATCH_FACTOR,
            collate_fn=self._collate,
            generator=torch.Generator(),
        )

    def batches_by_length(self, name: str, max_documents: int) -> tuple[Ints, list[Batch]]:
        """A split's documents, about so many at most, each once, in batches of similar length.

        Returns their positions in the split, in the order of the batches, and these.
        """
        split = self.splits[name]
        sampled = sample(label_pairs(split), max_documents, self._seed)
        num_tokens = split.with_format("numpy")["num_tokens"][:]
        order = sampled[np.argsort(num_tokens[sampled], kind="stable")]
        size = self.batch_size * EVAL_BATCH_FACTOR
        starts = range(0, len(order), size)
        return order, [self._collate(list(split.select(order[at : at + size]))) for at in starts]

    def texts(self, name: str, positions: Ints) -> list[str]:
        """Texts of a split's documents."""
        texts: list[str] = self._corpus.splits()[name].select(positions)["text"][:]
        return texts

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        # the windows' ids become tensors pass by pass, in the classifier
        return Batch(batch.windows, batch.targets.to(device, non_blocking=True))

    def _tokenise(self, split: Dataset, name: str) -> Dataset:
        content = f"{split._fingerprint}{self._tokenizer.fingerprint}{self._plan}"
        return split.map(
            _with_tokens,
            fn_kwargs={"tokenizer": self._tokenizer, "plan": self._plan},
            batched=True,
            remove_columns=["text"],
            # said by us, since datasets would hash the tokenizer object, which is never the same
            new_fingerprint=hashlib.sha256(content.encode()).hexdigest()[:32],
            desc=f"tokenising {name}",
        )

    def _collate(self, rows: list[dict[str, Any]]) -> Batch:
        windows = DocumentWindows.of([row["token_ids"] for row in rows], self._plan)
        corpus = self._corpus
        targets = as_targets([row["label"] for row in rows], corpus.labels, corpus.task)
        return Batch(windows, torch.from_numpy(targets))


def _check_enough(num_documents: int, num_processes: int) -> None:
    """A process with nothing to validate would leave the others waiting for its figures."""
    if num_documents < num_processes:
        raise ConfigError(
            f"{num_processes} processes can't share {num_documents} validation documents; give "
            "fewer trainer.devices, or more documents (data.val, data.val_share)"
        )


def _with_tokens(
    rows: dict[str, list[str]], tokenizer: DocumentTokenizer, plan: WindowPlan
) -> dict[str, Any]:
    """The tokens that will be read of each document, and their number."""
    kept = [ids[: plan.tokens_read(len(ids))] for ids in tokenizer.encode(rows["text"])]
    return {"token_ids": kept, "num_tokens": [len(ids) for ids in kept]}
