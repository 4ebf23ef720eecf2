"""Code in the folder of a bundle or of a pretrained model never runs unasked."""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig

from docsort.commands import main
from docsort.core.bundle import read_bundle
from docsort.core.errors import ModelError
from docsort.core.foreign_code import code_key
from docsort.core.pretrained import load_pretrained
from docsort.core.scorer import Scorer

# file of the folder, and what an attacker adds to it
PLACES = {
    "config.json": {
        "auto_map": {"AutoConfig": "hostile.HostileConfig", "AutoModel": "hostile.HostileModel"}
    },
    "tokenizer_config.json": {"auto_map": {"AutoTokenizer": [None, "hostile.HostileTokenizer"]}},
}
CODE = """
from pathlib import Path
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
Path({marker!r}).write_text("the code ran")
class HostileConfig(BertConfig):
    model_type = {kind!r}
class HostileModel(BertModel):
    config_class = HostileConfig
class HostileTokenizer(PreTrainedTokenizerFast):
    pass
"""


def add_code(folder: Path, file: str, marker: Path, kind: str = "hostile") -> None:
    """Make a folder of transformers ask for code; a model of ``kind`` is in transformers or not."""
    target = folder / file
    content = json.loads(target.read_text(encoding="utf-8"))
    if file == "config.json":
        content["model_type"] = kind
    else:
        content["tokenizer_class"] = "HostileTokenizer"
    target.write_text(json.dumps({**content, **PLACES[file]}), encoding="utf-8")
    code = CODE.format(marker=str(marker), kind=kind)
    (folder / "hostile.py").write_text(code, encoding="utf-8")


def reseal(bundle: Path) -> None:
    """Write the sizes of changed files into a bundle's manifest."""
    file = bundle / "bundle.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    for name, said in content["files"].items():
        said["bytes"] = (bundle / name).stat().st_size
    file.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that hostile code makes. Standard input consents to everything."""
    consent = io.TextIOWrapper(io.BytesIO(b"y\n" * 20))
    monkeypatch.setattr("sys.stdin", consent)
    return tmp_path / "marker"


@pytest.fixture(params=PLACES)
def hostile_bundle(request: pytest.FixtureRequest, tiny_bundle_copy: Path, marker: Path) -> Path:
    """A bundle that asks for code in one of its configurations."""
    part = "encoder" if request.param == "config.json" else "tokenizer"
    add_code(tiny_bundle_copy / part, request.param, marker)
    reseal(tiny_bundle_copy)
    return tiny_bundle_copy


COMMANDS: dict[str, Callable[[Path, Path], list[str]]] = {
    "classify": lambda bundle, _: ["classify", "--bundle", str(bundle)],
    "score": lambda bundle, table: [
        *("score", "--bundle", str(bundle), "--input", str(table)),
        *("--output", str(table.with_name("scored.csv"))),
    ],
    "evaluate": lambda bundle, table: [
        *("evaluate", f"bundle={bundle}", f"data.test={table}"),
        f"hydra.run.dir={table.with_name('run')}",
    ],
    "archive": lambda bundle, table: [
        *("archive", "--bundle", str(bundle), "--store", str(table.with_name("store"))),
    ],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_bundle_with_code_is_refused_by_every_command(
    hostile_bundle: Path,
    marker: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    table = tmp_path / "table.csv"
    table.write_text("text,label\nthe profit of the bank,finance\n", encoding="utf-8")
    assert main(COMMANDS[command](hostile_bundle, table)) == 2
    said = capsys.readouterr().err
    assert "config.json asks to run Python code (auto_map)" in said
    assert "docsort runs no code of a bundle" in said
    assert not marker.exists()


@pytest.mark.parametrize("file", PLACES)
@pytest.mark.parametrize("command", ["train", "audit"])
def test_pretrained_with_code_is_refused_with_the_setting(
    tiny_bert: Path,
    marker: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    file: str,
) -> None:
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "pretrained"))
    add_code(folder, file, marker)
    table = tmp_path / "table.csv"
    table.write_text("text,label\n" + "a bank,x\nthe goal,y\n" * 20, encoding="utf-8")
    settings = [f"model.pretrained={folder}", "model.sha256=null", f"data.train={table}"]
    assert main([command, "data=csv", *settings, f"hydra.run.dir={tmp_path / 'run'}"]) == 2
    said = capsys.readouterr().err
    assert f"{folder / file} asks to run Python code (auto_map)" in said
    assert "model.trust_remote_code=true" in said
    assert not marker.exists()


def test_trusted_code_runs_once_and_leaves_none(
    tiny_bert: Path, marker: Path, tmp_path: Path
) -> None:
    """Where transformers has a class of its own for the weights, training goes on with that."""
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "pretrained"))
    add_code(folder, "config.json", marker, kind="bert")
    pretrained = load_pretrained(str(folder), trust_remote_code=True)
    assert marker.exists()
    assert type(pretrained.encoder).__module__ == "transformers.models.bert.modeling_bert"
    pretrained.encoder.config.save_pretrained(tmp_path)
    assert code_key(json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))) is None


@pytest.mark.parametrize("file", PLACES)
def test_trusted_code_that_a_bundle_would_need_is_refused(
    tiny_bert: Path, marker: Path, tmp_path: Path, file: str
) -> None:
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "pretrained"))
    add_code(folder, file, marker)
    with pytest.raises(ModelError, match="needs its own Python code"):
        load_pretrained(str(folder), trust_remote_code=True)


def test_code_for_other_tasks_is_dropped_from_the_bundle(
    tiny_bert: Path, marker: Path, tmp_path: Path
) -> None:
    """Nothing asks for a class that only a classifier of the model's authors would need."""
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "pretrained"))
    config = AutoConfig.from_pretrained(str(folder))
    config.auto_map = {"AutoModelForSequenceClassification": "hostile.HostileModel"}
    config.save_pretrained(folder)
    encoder = load_pretrained(str(folder), trust_remote_code=True).encoder
    assert not hasattr(encoder.config, "auto_map")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"model_type": "bert"}, None),
        ({"auto_map": None, "trust_remote_code": False}, None),
        ({"text_config": {"auto_map": {"AutoModel": "a.B"}}}, "auto_map"),
        ({"parts": [{"custom_pipelines": {"x": {}}}]}, "custom_pipelines"),
        ({"trust_remote_code": True}, "trust_remote_code"),
    ],
)
def test_code_key_is_found_at_any_depth(content: object, key: str | None) -> None:
    assert code_key(content) == key


def test_checkpoint_with_code_is_refused_by_its_own_name(
    tiny_bundle: Path, marker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A checkpoint carries the same configurations as a bundle."""
    bundle = read_bundle(tiny_bundle)
    config = json.loads((tiny_bundle / "encoder/config.json").read_text(encoding="utf-8"))
    files = {file.name: file.read_bytes() for file in (tiny_bundle / "tokenizer").iterdir()}
    carried = {
        "manifest": json.dumps(asdict(bundle.manifest), default=str),
        "encoder": json.dumps({**config, **PLACES["config.json"]}),
        "tokenizer": {**files, "hostile.py": CODE.format(marker=str(marker), kind="x").encode()},
    }
    checkpoint = tmp_path / "last.ckpt"
    torch.save({"docsort": carried, "state_dict": {}}, checkpoint)
    table = tmp_path / "table.csv"
    table.write_text("text,label\nthe profit of the bank,finance\n", encoding="utf-8")
    run = f"hydra.run.dir={tmp_path / 'run'}"
    assert main(["evaluate", f"checkpoint={checkpoint}", f"data.test={table}", run]) == 2
    said = capsys.readouterr().err
    assert f"checkpoint={checkpoint} cannot be used: config.json asks to run Python" in said
    assert not marker.exists()


def test_a_plain_bundle_is_still_read(tiny_bundle: Path) -> None:
    assert Scorer.load(tiny_bundle).labels == ("finance", "medicine", "sport")
