"""Full disks, read-only folders and paths that lead nowhere: one sentence each."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mcukd.disk import sentence_about
from mcukd.files import folder_beside, make_folder, replacing, require_writable, write_text


def raised(make) -> BaseException:
    with pytest.raises(Exception) as caught:
        make()
    return caught.value


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "/data/x.npz: no space is left on the disk; free some space there"),
        (errno.EDQUOT, "/data/x.npz: your quota"),
        (errno.EROFS, "/data/x.npz: the file system is read-only; choose a folder"),
        (errno.EACCES, "/data/x.npz: permission denied; correct"),
        (errno.EPERM, "/data/x.npz: the operation is not permitted"),
        (errno.ENOTDIR, "/data/x.npz: a part of the path is a file"),
        (errno.EISDIR, "/data/x.npz: a folder is there"),
        (errno.EEXIST, "/data/x.npz: a file is there"),
        (errno.ENAMETOOLONG, "/data/x.npz: the name is too long"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EIO, "the disk answers with an error"),
    ],
)
def test_what_the_system_refuses_names_the_path_and_a_way_on(code: int, words: str) -> None:
    sentence = sentence_about(OSError(code, os.strerror(code), "/data/x.npz"))
    assert sentence is not None and words in sentence and sentence.count("\n") == 0


@pytest.mark.parametrize(
    "error",
    [
        OSError("8192 requested and 0 written"),  # NumPy's tofile
        OSError(
            "Can't write data (file write failed: errno = 28, error message = 'No space left on device')"
        ),
        RuntimeError("Unable to flush file (errno = 28, error message = 'No space left on device')"),
        OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"),
        FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp', '/var/tmp']"),
    ],
)
def test_libraries_that_lose_the_number_are_understood(error: Exception) -> None:
    assert "no space is left on the disk" in str(sentence_about(error))


def test_an_archive_that_cannot_be_closed_since_the_disk_is_full(tmp_path: Path) -> None:
    def both() -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "/data/model.keras")
        except OSError:
            raise ValueError("Can't close the ZIP file while there is an open writing handle on it") from None

    assert str(sentence_about(raised(both))).startswith("/data/model.keras: no space")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("operands could not be broadcast"),
        KeyError("x"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "weights.h5"),
        AssertionError(),
        RuntimeError("28 requested"),
        OSError("no number"),
        ConnectionResetError(errno.ECONNRESET, "reset"),
    ],
)
def test_a_mistake_in_the_program_keeps_its_traceback(error: Exception) -> None:
    assert sentence_about(error) is None


def test_a_mistake_made_while_a_refusal_was_handled_keeps_its_traceback() -> None:
    def clumsy() -> None:
        try:
            raise PermissionError(errno.EACCES, "Permission denied", "/x")
        except OSError:
            raise TypeError("a mistake")  # noqa: B904

    assert sentence_about(raised(clumsy)) is None


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of 256 KB."""
    folder = tmp_path_factory.mktemp("small")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a small disk here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk_is_told_with_the_name_of_the_file_and_the_old_one_stays(small: Path) -> None:
    file = small / "a.npz"
    write_text(file, "old")

    def fill() -> None:
        with replacing(file) as temporary:
            np.savez(temporary, a=np.zeros(1 << 18))

    sentence = str(sentence_about(raised(fill)))
    assert sentence.startswith(f"{file}: no space is left"), sentence
    assert file.read_text() == "old" and list(small.iterdir()) == [file]


def test_keras_and_parquet_on_a_full_disk(small: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def parquet() -> None:
        with replacing(small / "part.parquet") as temporary:
            pq.write_table(pa.table({"a": np.random.default_rng(0).normal(size=1 << 17)}), temporary)

    assert str(sentence_about(raised(parquet))).startswith(f"{small / 'part.parquet'}: no space is left")
    assert not (small / "part.parquet").exists()


def test_commands_say_it_in_one_sentence(small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for out, words in (
        (small / "herd", "no space is left"),
        (tmp_path / "file" / "herd", "a file is there, expected a folder"),
    ):
        result = subprocess.run(
            [sys.executable, "-m", "mcukd", "data", "simulate", "--out", str(out)],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 2, result.stderr
        (line,) = result.stderr.strip().splitlines()
        assert line.startswith(f"mcukd: {out.parent}") and words in line, line


@pytest.mark.parametrize("name", ["x" * 300 + ".json", "é" * 140 + ".json"])
def test_a_name_that_is_too_long(tmp_path: Path, name: str) -> None:
    sentence = str(sentence_about(raised(lambda: write_text(tmp_path / name, "x"))))
    assert "the name is too long" in sentence and name in sentence


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    write_text(tmp_path / "runs", "x")
    sentence = str(sentence_about(raised(lambda: write_text(tmp_path / "runs" / "a.json", "x"))))
    assert str(tmp_path / "runs") in sentence
    (tmp_path / "folder").mkdir()
    sentence = str(sentence_about(raised(lambda: write_text(tmp_path / "folder", "x"))))
    assert sentence.startswith(f"{tmp_path / 'folder'}: a folder is there")


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from mcukd.files import replacing\n"
        "with replacing(Path(sys.argv[1]) / 'student.keras'): os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".student-") and left.suffix == ".keras"
    (tmp_path / ".mine-notes.txt").write_text("x")
    host = left.name.split("-")[1]
    elsewhere = tmp_path / left.name.replace(host, "0123ab" if host != "0123ab" else "ffffff")
    elsewhere.write_text("x")
    with replacing(tmp_path / "other.json") as living:
        # A process looks once per folder: this one has, and another sees that this one is alive.
        code = (
            "import sys; from pathlib import Path; from mcukd.files import write_text\n"
            "write_text(Path(sys.argv[1]), '{}')"
        )
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.json")], check=True)
        assert living.exists()
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {".mine-notes.txt", elsewhere.name, "a.json", "other.json"}


def test_a_folder_that_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from mcukd.files import folder_beside\n"
        "with folder_beside(Path(sys.argv[1]) / 'herd') as made: (made / 'x').write_text('x'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".herd-") and (left / "x").exists()
    with folder_beside(tmp_path / "other") as made:
        assert list(tmp_path.iterdir()) == [made]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that takes nothing new")
@pytest.mark.parametrize(
    "write",
    [
        make_folder,
        require_writable,
        lambda path: write_text(path, "x"),
        lambda path: write_text(path / "a" / "b.txt", "x"),
        lambda path: folder_beside(path).__enter__(),
        lambda path: folder_beside(path / "a").__enter__(),
    ],
)
def test_a_folder_that_takes_nothing_new_is_one_sentence(write: Callable[[Path], None]) -> None:
    """Linux says of /proc that there is no such file, which would be a mistake in the program."""
    with pytest.raises(PermissionError) as refused:
        write(Path("/proc/mcukd"))
    assert str(sentence_about(refused.value)).startswith("/proc/mcukd")
    assert "the operation is not permitted; correct the permissions, or" in str(sentence_about(refused.value))
