"""``docsort audit``: reads labelled data as training would, and tells what is wrong with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from docsort.commands.audit_table import print_audit
from docsort.commands.hydra_verbs import keep_job_files, output_dir, run_verb, settings_of
from docsort.commands.run_folder import refuse_training_run
from docsort.core.pretrained import load_tokenizer
from docsort.core.tokens import DocumentTokenizer
from docsort.core.windows import WindowPlan
from docsort.data.audit import Audit, audit, refuse_leaks
from docsort.data.corpus import Corpus
from docsort.data.documents import Documents
from docsort.data.load import load_corpus
from docsort.data.seed import check_seed
from docsort.data.settings import DataSettings
from docsort.data.token_lengths import Reading
from docsort.report.audit_page import write_audit_page
from lightning_modules.settings import ModelSettings


def main(argv: list[str]) -> int:
    """Run ``docsort audit`` with Hydra overrides."""
    return run_verb("audit", argv, run)


def run(config: Mapping[str, Any]) -> float:
    """Audit one corpus. Returns the number of its documents."""
    folder = output_dir()
    check_seed(config["seed"])
    refuse_training_run(folder)
    settings = settings_of(DataSettings, "data", config["data"])
    model = settings_of(ModelSettings.of, "model", config["model"])
    tokenizer = load_tokenizer(model.pretrained, model.trust_remote_code)
    plan = model.plan(tokenizer)
    corpus = load_corpus(settings, config["seed"], tokenizer.count_tokens)
    keep_job_files(config)
    return float(audit_corpus(corpus, settings, tokenizer, plan, folder).num_documents)


def audit_corpus(
    corpus: Corpus,
    settings: DataSettings,
    tokenizer: DocumentTokenizer,
    plan: WindowPlan,
    folder: Path,
) -> Audit:
    """Audit; write audit.json and audit.html; print it short, and where the page is.

    Raises:
        DataError: a given test file leaks.
    """
    reading = Reading(tokenizer.encode, tokenizer.unknown_id, plan)
    console = Console()
    with console.status("auditing the documents"):
        found = audit(corpus, settings.audit_rows, reading)
    found.write(folder / "audit.json")
    write_audit_page(folder / "audit.html", found, Documents(corpus).text_at)
    print_audit(found, console)
    print(f"audit   {folder / 'audit.html'}")
    refuse_leaks(found, settings.max_leak_share)
    return found
