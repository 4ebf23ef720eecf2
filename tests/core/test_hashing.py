"""The one hash of a file."""

from pathlib import Path

from docsort.core.hashing import file_sha256


def test_it_is_what_sha256sum_prints(tmp_path: Path) -> None:
    file = tmp_path / "abc"
    file.write_bytes(b"abc")
    # FIPS 180-4's own example
    assert file_sha256(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
