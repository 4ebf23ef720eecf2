"""The file of API keys: hashes only, followed as it changes, and nobody let in if it is wrong."""

import errno
import fcntl
import os
import stat
from concurrent.futures import ThreadPoolExecutor
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


def test_the_files_owner_is_kept(file: Path) -> None:
    add_key(file, "alice")
    # root may give it to anyone, others to a group of theirs
    owner = (
        (12345, 54321)
        if os.getuid() == 0
        else (os.getuid(), max(os.getgroups(), default=os.getgid()))
    )
    os.chown(file, *owner)
    file.chmod(0o640)
    add_key(file, "bob")
    remove_key(file, "alice")
    said = file.stat()
    assert (said.st_uid, said.st_gid, stat.S_IMODE(said.st_mode)) == (*owner, 0o640)


def test_a_link_stays_one_and_the_file_that_servers_read_changes(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file.name)
    alice, bob = add_key(file, "alice"), add_key(link, "bob")
    ring = KeyRing(file)
    assert [ring.name_of(key) for key in (alice, bob)] == ["alice", "bob"]
    remove_key(link, "alice")
    assert [ring.name_of(key) for key in (alice, bob)] == [None, "bob"]
    assert link.is_symlink()


def test_an_owner_that_cannot_be_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_key(file, "alice")
    before = file.read_text()

    def refuse(*arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refuse)
    with pytest.raises(ConfigError, match=r"would change its owner.*as that user, or as root"):
        add_key(file, "bob")
    assert file.read_text() == before
    assert os.listdir(file.parent) == [file.name]


def test_a_place_that_cannot_be_written(file: Path) -> None:
    add_key(file, "alice")
    for place in (file / "keys.txt", Path("/proc/none/keys.txt")):
        with pytest.raises(ConfigError, match="cannot be written"):
            add_key(place, "bob")
    longest = file.with_name("k" * 250)  # leaves no room for the name of what takes its place
    with pytest.raises(ConfigError, match="cannot be written"):
        add_key(longest, "bob")
    assert list(read_keys(file)) == ["alice"]


def test_changes_at_once_all_count(file: Path) -> None:
    names = [f"key-{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda name: add_key(file, name), names))
        assert read_keys(file) == {n: hash_of(k) for n, k in zip(names, keys, strict=True)}
        list(pool.map(lambda name: remove_key(file, name), names[:-1]))
    assert list(read_keys(file)) == names[-1:]


@pytest.mark.usefixtures("as_over_nfs")
def test_the_file_may_lie_on_nfs(file: Path) -> None:
    add_key(file, "alice")
    bob = add_key(file, "bob")
    remove_key(file, "alice")
    assert read_keys(file) == {"bob": hash_of(bob)}


def test_a_file_that_cannot_be_locked(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    add_key(file, "alice")
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(ConfigError, match=r"cannot be written.*No locks available"):
        remove_key(file, "alice")


def test_comments_stay(file: Path) -> None:
    comments = ["# ours", "", f"alice {'a' * 64}  # until May"]
    file.write_text("\n".join([*comments, f"bob {'b' * 64} # leaves"]))  # no final newline
    carol = hash_of(add_key(file, "carol"))
    remove_key(file, "bob")
    assert file.read_text().splitlines() == [*comments, f"carol {carol}"]


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
