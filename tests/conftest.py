"""Fixtures that several folders share (a tiny random BERT, a bundle), and hooks for all tests."""

import shutil
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from docsort.core.bundle import Manifest
from docsort.core.classifier import DocumentClassifier
from docsort.core.golden import write_bundle
from docsort.core.pretrained import load_pretrained
from tests.support.chromium import CHROMIUM
from tests.support.kinds import mark
from tests.support.skips import reason_counts

WORDS = """
the a of and in to is for market price bank share profit team goal match player season cell gene
virus patient drug trial planet star orbit light mass engine wheel road car fuel
""".split()  # noqa: SIM905
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
GOLDEN_TEXTS = [
    "the profit of the bank",
    "a player and the goal in the match " * 9,
    "patient drug trial of the virus gene cell",
]


@pytest.hookimpl(tryfirst=True)  # before pytest selects tests by -m
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark(items)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser") and not CHROMIUM:
        pytest.skip("needs Chromium (Debian: chromium)")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in reason_counts(terminalreporter.getreports("skipped")):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny BERT."""
    return make_tiny_bert(tmp_path_factory.mktemp("tiny-bert"))


def make_tiny_bert(folder: Path) -> Path:
    """A seeded random 2-layer BERT of 32 dimensions and a whole-word tokenizer."""
    vocabulary = {word: i for i, word in enumerate(SPECIAL + WORDS)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(str(folder))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.4,  # else random states hardly depend on the text
    )
    BertModel(config).save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the tiny BERT."""
    return make_tiny_bundle(tiny_bert, tmp_path_factory.mktemp("bundles") / "tiny")


def make_tiny_bundle(tiny_bert: Path, path: Path) -> Path:
    """Three labels, windows of 16 tokens that share 4."""
    pretrained = load_pretrained(str(tiny_bert))
    torch.manual_seed(1)
    classifier = DocumentClassifier(pretrained.encoder, num_labels=3)
    torch.nn.init.normal_(classifier.head.weight, std=0.5)
    manifest = Manifest(
        task="single_label",
        labels=("finance", "medicine", "sport"),
        window=16,
        overlap=4,
        max_windows=6,
        provenance={"name": "tiny"},
    )
    write_bundle(path, manifest, classifier, pretrained.tokenizer, GOLDEN_TEXTS)
    return path


@pytest.fixture(scope="session")
def overrides(tiny_bert: Path) -> list[str]:
    """What makes a run small: the tiny BERT, short windows, one epoch."""
    return [
        f"model.pretrained={tiny_bert}",
        "model.sha256=null",
        "model.window=16",
        "model.overlap=4",
        "model.optimizer.lr=1e-2",
        "data.batch_size=8",
        "trainer.max_epochs=6",
        "refit_up_to=0",
    ]


@pytest.fixture
def tiny_bundle_copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle that a test may spoil."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
