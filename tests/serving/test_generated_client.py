"""A client that openapi-python-client generates from /openapi.json can read the answers."""

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from docsort.core.bundle import read_bundle
from docsort.core.rest import ClassifyRequest, render_answer
from docsort.core.scorer import Prediction
from docsort.core.windows import Receipt
from tests.serving.conftest import RunningServer


@pytest.fixture(scope="module")
def generated(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The generated package ``docsort_client``."""
    folder = tmp_path_factory.mktemp("generated") / "client"
    program = Path(sys.executable).with_name("openapi-python-client")
    source = ["--url", f"{server.url}/openapi.json", "--output-path", str(folder)]
    said = subprocess.run(
        # it formats what it generates with ruff, which it finds on PATH
        [program, "generate", *source],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": str(program.parent)},
    )
    # the one kind of body that this generator does not know; it leaves JSON
    complaints = [line for line in said.stdout.splitlines() if "Un" in line or "Fail" in line]
    assert set(complaints) <= {"Unsupported content type text/plain"}
    sys.path.insert(0, str(folder))
    return importlib.import_module("docsort_client")


def api(name: str) -> ModuleType:
    return importlib.import_module(f"docsort_client.api.default.{name}")


def models() -> ModuleType:
    return importlib.import_module("docsort_client.models")


def test_generated_client_reads_one_answer_and_a_list(
    generated: ModuleType, server: RunningServer
) -> None:
    text = models().TextRequest("a bank")
    texts = models().InputsRequest(["a bank", "a ball"], models().Parameters(top_k=1))
    with generated.Client(base_url=server.url) as client:
        one = api("classify").sync("tiny", client=client, body=text)
        several = api("classify_by_version").sync("tiny", "1.0", client=client, body=texts)
    assert (one.label, one.score) == (one.scores[0].label, one.scores[0].score)
    assert (one.model.version, one.receipt.answered_by) == ("2.0", "encoder")
    assert [(len(answer.scores), answer.model.version) for answer in several] == [(1, "1.0")] * 2


def test_generated_client_reads_errors_and_readiness(
    generated: ModuleType, server: RunningServer
) -> None:
    with generated.Client(base_url=server.url) as client:
        texts = models().InputsRequest(["a", " "])
        refused = api("classify").sync("tiny", client=client, body=texts)
        text = models().TextRequest("a")
        missing = api("classify").sync("other", client=client, body=text)
        alive = api("is_alive").sync(client=client)
        ready = api("is_ready").sync(client=client)
    assert (refused.error.type_, refused.error.index) == ("empty_document", 1)
    assert (missing.error.code, missing.error.type_) == (404, "model_not_found")
    assert alive.status == "alive"
    assert ready.models["tiny"].default == "2.0"


def test_generated_client_reads_an_answer_of_several_labels(
    generated: ModuleType, tiny_bundle: Path
) -> None:
    bundle = read_bundle(tiny_bundle)
    multi = replace(bundle, manifest=replace(bundle.manifest, task="multi_label"))
    prediction = Prediction(np.array([0.1, 0.7, 0.2], dtype=np.float32), Receipt(5, 5, 1))
    answer = render_answer(ClassifyRequest(("a",), True), [prediction], multi, "tiny", "1.0")
    read = models().Prediction.from_dict(answer)
    assert read.labels == ["medicine"]
    assert read.scores[0].threshold == 0.5
    assert read.to_dict() == answer
