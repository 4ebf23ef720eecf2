"""The file of API keys: hashes only, followed as it changes, and nobody let in if it is wrong."""

import os
import stat
from pathlib import Path

import pytest

from docsort.commands import main
from docsort.core.errors import ConfigError
from docsort.serving.keys import KeyRing, add_key, hash_of, read_keys, remove_key


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.txt"


def test_made_kept_as_a_hash_and_removed(file: Path) -> None:
    alice, bob = add_key(file, "alice"), add_key(file, "bob")
    assert len(alice) > 40
    assert alice != bob
    assert alice not in file.read_text()
    assert read_keys(file) == {"alice": hash_of(alice), "bob": hash_of(bob)}
    ring = KeyRing(file)
    assert [ring.name_of(key) for key in (alice, bob, alice[:-1], "", "ä")] == (
        ["alice", "bob", None, None, None]
    )
    remove_key(file, "alice")
    assert [ring.name_of(key) for key in (alice, bob)] == [None, "bob"]
    carol = add_key(file, "carol")
    assert ring.name_of(carol) == "carol"


def test_the_files_mode_is_kept(file: Path) -> None:
    add_key(file, "alice")
    file.chmod(0o600)
    add_key(file, "bob")
    remove_key(file, "alice")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_hash_is_no_key(file: Path) -> None:
    add_key(file, "alice")
    assert KeyRing(file).name_of(read_keys(file)["alice"]) is None


def test_nobody_is_let_in_while_the_file_is_wrong(file: Path) -> None:
    key = add_key(file, "alice")
    ring = KeyRing(file)
    good = file.read_text()
    file.write_text("alice")
    for _ in range(2):
        with pytest.raises(ConfigError, match="line 1, is not NAME and a SHA-256"):
            ring.name_of(key)
    file.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        ring.name_of(key)
    file.write_text(good)
    os.utime(file, (1, 1))
    assert ring.name_of(key) == "alice"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"alice {'a' * 63}", "line 1"),
        (f"# \n\nal/ice {'a' * 64}", "line 3"),
        (f"alice {'A' * 64}", "line 1"),
        (f"alice {'a' * 64} more", "line 1"),
        (f"alice {'a' * 64}\nalice {'b' * 64}", "line 2, names a key that stands above"),
    ],
)
def test_refused_without_repeating_it(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        read_keys(file)
    assert "aaa" not in str(caught.value)


def test_the_command(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "add", "alice", "--file", str(file)]) == 0
    key = capsys.readouterr().out.strip()
    assert KeyRing(file).name_of(key) == "alice"
    assert main(["keys", "list", "--file", str(file)]) == 0
    assert capsys.readouterr().out == "alice\n"
    for arguments, said in (
        (["add", "alice"], "has a key named alice"),
        (["add", "a b"], "it must be letters"),
        (["remove", "bob"], "has no key named bob; it has alice"),
    ):
        assert main(["keys", *arguments, "--file", str(file)]) == 2
        assert said in capsys.readouterr().err
    assert main(["keys", "remove", "alice", "--file", str(file)]) == 0
    assert read_keys(file) == {}
