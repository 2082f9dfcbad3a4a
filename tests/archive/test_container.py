"""Archives as zip files: the same bytes from the same members, and every changed byte is found."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcukd.archive import container
from mcukd.archive.container import Broken, Content, measured, read_archive, write_archive
from mcukd.archive.names import name_problem, names_problem
from mcukd.errors import UserError

CONTENTS: dict[str, Content] = {
    "a.txt": b"alpha",
    "study/b.json": b"{}\n",
    "study/empty": b"",
    "Zeit/ä.bin": bytes(range(256)),
}


def pack(path: Path, contents: dict[str, Content]) -> Path:
    write_archive(path, contents, {name: measured(name, one) for name, one in contents.items()})
    return path


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    return pack(tmp_path / "a.zip", CONTENTS)


def test_other_programs_read_it(packed: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(CONTENTS)
        assert {name: archive.read(name) for name in CONTENTS} == CONTENTS
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_same_members_give_the_same_bytes(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENTS["Zeit/ä.bin"])  # type: ignore[arg-type]
    again = dict(reversed([*CONTENTS.items()]))
    again["Zeit/ä.bin"] = tmp_path / "file"
    assert pack(tmp_path / "b.zip", again).read_bytes() == packed.read_bytes()


def test_it_is_read_back_in_whole_and_in_part(packed: Path, tmp_path: Path) -> None:
    archive = read_archive(packed)
    assert {name: archive.read(name) for name in archive.members} == CONTENTS
    archive.unpack(tmp_path / "out", ["study/b.json"])
    assert [one.name for one in (tmp_path / "out").rglob("*") if one.is_file()] == ["b.json"]
    assert archive.sha256 == measured("", packed).sha256
    with pytest.raises(Broken, match="has 256 bytes, expected at most 10"):
        archive.read("Zeit/ä.bin", limit=10)


def test_every_flipped_bit_is_found(packed: Path, tmp_path: Path) -> None:
    """In contents, names, headers, the directory and the end."""
    content = packed.read_bytes()
    changed = tmp_path / "changed.zip"
    for byte in range(len(content)):
        flipped = bytearray(content)
        flipped[byte] ^= 1 << byte * 5 % 8
        changed.write_bytes(flipped)
        with pytest.raises((Broken, UserError)):
            read_archive(changed)


@given(st.integers(0, 900), st.binary(max_size=40), st.integers(0, 60))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_cut_out_put_in_or_added_are_found(
    packed: Path, tmp_path: Path, place: int, new: bytes, removed: int
) -> None:
    content = packed.read_bytes()
    changed = content[:place] + new + content[place + removed :]
    if changed != content:
        (tmp_path / "changed.zip").write_bytes(changed)
        with pytest.raises((Broken, UserError)):
            read_archive(tmp_path / "changed.zip")


def test_more_members_than_16_bits_count_are_in_the_form_of_zip64(tmp_path: Path) -> None:
    path, members = tmp_path / "many.zip", []
    with path.open("wb") as stream:
        for number in range(65536):
            members.append(container.Member(f"{number:05}", 0, 0, "", stream.tell()))
            stream.write(container.local_header(members[-1]))
        for part in container.directory(members, stream.tell()):
            stream.write(part)
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == 65536
    assert len(read_archive(path).members) == 65536


def test_a_member_beyond_four_gib_is_described_in_64_bits(tmp_path: Path) -> None:
    """A sparse file of 4 GiB and one byte: only its headers are looked at, with Python's own reader."""
    size = (1 << 32) + 1
    member = container.Member("large", size, 0, "")
    path = tmp_path / "large.zip"
    header = container.local_header(member)
    with path.open("wb") as stream:
        stream.write(header)
        stream.seek(size, 1)
        last = container.Member("small", 0, 0, "", stream.tell())
        stream.write(container.local_header(last))
        for part in container.directory([member, last], stream.tell()):
            stream.write(part)
    with zipfile.ZipFile(path) as archive:
        large, small = archive.infolist()
        assert (large.file_size, large.header_offset) == (size, 0)
        assert small.header_offset == len(header) + size
        assert archive.read("small") == b""


def foreign(path: Path, *names: str, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"0" * 1000, compression)
    return path


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../../etc/passwd", "leads out of the archive"),
        ("/etc/passwd", "is an absolute path"),
        ("C:evil", "is an absolute path"),
        ("a/../../b", "leads out of the archive"),
        ("a//b", "is no plain path"),
        ("a/./b", "is no plain path"),
        ("a/b/", "is no plain path"),
        ("a\\..\\b", "letters that not every computer allows"),
        ("a\nb", "letters that not every computer allows"),
        ("a\u202eb", "letters that not every computer allows"),
        ("study/nul.txt", "is a device on some computers"),
        ("trailing.", "is no plain path"),
        ("x" * 300, "is no plain path"),
    ],
)
def test_names_that_could_be_written_elsewhere_are_refused(name: str, problem: str, tmp_path: Path) -> None:
    assert problem in str(name_problem(name))
    with pytest.raises(Broken, match=problem):
        read_archive(foreign(tmp_path / "evil.zip", name))
    with pytest.raises(UserError, match=problem):
        pack(tmp_path / "mine.zip", {name: b""})
    assert not (tmp_path / "mine.zip").exists()


def test_two_names_for_one_file_are_refused(tmp_path: Path) -> None:
    assert "are one on some computers" in str(names_problem(["a/B", "A/b"]))
    assert "is a file and the folder of" in str(names_problem(["a", "a/b"]))
    with pytest.warns(UserWarning), pytest.raises(Broken):
        read_archive(foreign(tmp_path / "twice.zip", "a", "a"))


def test_a_zip_bomb_is_refused_unopened(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="compressed"):
        read_archive(foreign(tmp_path / "bomb.zip", "a", compression=zipfile.ZIP_DEFLATED))
    content = bytearray(pack(tmp_path / "a.zip", {"a": b"x"}).read_bytes())
    struct.pack_into("<2I", content, 18, 1 << 31, 1 << 31)
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(Broken, match="which the file does not hold"):
        read_archive(tmp_path / "a.zip")


def test_what_is_no_zip_is_the_users_to_correct(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_archive(tmp_path / "gone.zip")
    (tmp_path / "text.zip").write_text("no zip, and longer than an end of one would be")
    with pytest.raises(UserError, match="no zip file"):
        read_archive(tmp_path / "text.zip")


def test_a_file_that_changes_while_it_is_packed_leaves_no_archive(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"one")
    members = {"log": measured("log", file)}
    file.write_bytes(b"two")
    (tmp_path / "a.zip").write_bytes(b"earlier")
    with pytest.raises(UserError, match="changed while it was packed"):
        write_archive(tmp_path / "a.zip", {"log": file}, members)
    assert (tmp_path / "a.zip").read_bytes() == b"earlier"
