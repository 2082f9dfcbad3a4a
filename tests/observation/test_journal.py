"""The journal: what was appended is there, whatever happens to the disk or the process."""

import errno
import os
import resource
import shutil
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.errors import UserError
from mcukd.observation.journal import Journal
from mcukd.observation.journal_lines import JournalTail, line_of, read_journal

HEAD = {"session": "0" * 32, "observer": "anna"}


def journal_at(folder):
    return Journal(folder / "observer-anna.jsonl", HEAD)


def texts(path):
    return [entry["text"] for entry in read_journal(path).entries]


def write(folder, *words):
    journal = journal_at(folder)
    for word in words:
        journal.append({"text": word})
    journal.close()
    return journal.path


def test_what_was_appended_is_read_and_numbered(tmp_path):
    path = write(tmp_path, "one", "zwei ü", "line\nend")
    content = read_journal(path)
    assert content.head["observer"] == "anna"
    assert [entry["number"] for entry in content.entries] == [1, 2, 3]
    assert texts(path) == ["one", "zwei ü", "line\nend"]


def test_an_append_has_returned_only_when_the_file_was_synced(tmp_path, monkeypatch):
    journal = journal_at(tmp_path)
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_size))
    journal.append({"text": "one"})
    assert synced[-1] == journal.path.stat().st_size
    assert texts(journal.path) == ["one"]


def test_a_closed_journal_takes_nothing_and_gives_the_file_free(tmp_path):
    journal = journal_at(tmp_path)
    journal.append_later({"text": "one"})
    journal.close()
    with pytest.raises(UserError, match="the session is closed"):
        journal.append({"text": "lost"})
    assert texts(journal.path) == ["one"]
    journal_at(tmp_path).append({"text": "two"})


def test_opened_again_it_goes_on(tmp_path):
    write(tmp_path, "one")
    journal = journal_at(tmp_path)
    assert journal.append({"text": "two"}) == 2
    assert texts(journal.path) == ["one", "two"]


@given(cut=st.integers(min_value=1, max_value=60))
@settings(max_examples=25, deadline=None)
def test_a_torn_last_line_is_cut_and_kept_aside(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("torn")
    path = write(folder, "one", "two")
    whole = path.read_bytes()
    last = len(whole) - whole.rindex(b"\n", 0, -1) - 1
    torn = whole[: -min(cut + 1, last - 1)]
    path.write_bytes(torn)
    assert texts(path) == ["one"]  # a reader passes over it
    journal = journal_at(folder)
    assert journal.append({"text": "three"}) == 2
    assert texts(path) == ["one", "three"]
    assert journal.torn.read_bytes() == torn[torn.rindex(b"\n") + 1 :]
    journal.close()


def test_a_last_line_whose_line_end_alone_is_missing_counts(tmp_path):
    path = write(tmp_path, "one", "two")
    path.write_bytes(path.read_bytes()[:-1])
    journal = journal_at(tmp_path)
    journal.append({"text": "three"})
    assert texts(path) == ["one", "two", "three"]


def test_zero_bytes_at_the_end_are_a_torn_line(tmp_path):
    path = write(tmp_path, "one")
    path.write_bytes(path.read_bytes() + bytes(300))
    journal = journal_at(tmp_path)
    assert texts(path) == ["one"] and journal.torn.stat().st_size == 300


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_flipped_bit_anywhere_is_refused_with_its_line(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("flipped")
    path = write(folder, "one", "two", "three")
    content = bytearray(path.read_bytes())
    # The last line end is left out: without it the line is whole all the same.
    place = data.draw(st.integers(0, len(content) - 2))
    content[place] ^= 1 << data.draw(st.integers(0, 6))
    path.write_bytes(bytes(content))
    line = path.read_bytes()[:place].count(b"\n") + 1
    if b"\0" in content:
        return  # taken for a write that was interrupted
    with pytest.raises(UserError, match=rf"line {line}: .*(damaged|removed)|line {line + 1}"):
        read_journal(path)
    before = path.read_bytes()
    with pytest.raises(UserError):
        journal_at(folder)
    assert path.read_bytes() == before


def test_a_removed_line_is_refused(tmp_path):
    path = write(tmp_path, "one", "two", "three")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[1], lines[3]]))
    with pytest.raises(UserError, match=r"line 3: entry 3 is there, expected entry 2"):
        read_journal(path)


def test_another_observers_journal_is_not_taken_for_ours(tmp_path):
    write(tmp_path, "one")
    with pytest.raises(UserError, match="observer 'anna' is there, expected 'ben'"):
        Journal(tmp_path / "observer-anna.jsonl", {**HEAD, "observer": "ben"})


def test_a_second_process_is_refused(tmp_path):
    journal = journal_at(tmp_path)
    code = (
        "import sys; from pathlib import Path\n"
        "from mcukd.errors import UserError\n"
        "from mcukd.observation.journal import Journal\n"
        "try:\n    Journal(Path(sys.argv[1]), {'session': '0' * 32, 'observer': 'anna'})\n"
        "except UserError as error:\n    print(error)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(journal.path)], capture_output=True, text=True, check=True
    )
    assert "another mcukd writes it" in found.stdout
    journal.append({"text": "one"})
    assert texts(journal.path) == ["one"]


def failing(monkeypatch, what, code, times=1):
    """Have os.`what` fail some times, a write after half of it was written."""
    real = getattr(os, what)
    left = [times]

    def call(handle, *arguments):
        if left[0]:
            left[0] -= 1
            if what == "write":
                real(handle, bytes(arguments[0])[: len(arguments[0]) // 2])
            raise OSError(code, os.strerror(code))
        return real(handle, *arguments)

    monkeypatch.setattr(os, what, call)


@pytest.mark.parametrize("what", ["write", "fsync"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_key_that_is_not_written_is_not_taken_and_the_next_is(tmp_path, monkeypatch, what, code):
    journal = journal_at(tmp_path)
    journal.append({"text": "one"})
    failing(monkeypatch, what, code)
    with pytest.raises(UserError, match=r"observer-anna\.jsonl: .*; .*\."):
        journal.append({"text": "lost"})
    assert journal.problem
    assert texts(journal.path) == ["one"]
    assert journal.append({"text": "two"}) == 2
    assert journal.problem is None
    assert texts(journal.path) == ["one", "two"]


def test_what_a_failed_write_left_is_cut_even_where_it_could_not_be_at_once(tmp_path, monkeypatch):
    journal = journal_at(tmp_path)
    journal.append({"text": "one"})
    failing(monkeypatch, "write", errno.ENOSPC)
    real, calls = os.ftruncate, []

    def truncate(handle, size):
        calls.append(size)
        if len(calls) == 2:  # behind the write that failed
            raise OSError(errno.EIO, "no")
        real(handle, size)

    monkeypatch.setattr(os, "ftruncate", truncate)
    size = journal.path.stat().st_size
    with pytest.raises(UserError):
        journal.append({"text": "lost"})
    assert journal.path.stat().st_size > size
    assert texts(journal.path) == ["one"]
    journal.append({"text": "two"})
    assert texts(journal.path) == ["one", "two"]


def test_a_full_disk_by_the_systems_own_limit(tmp_path):
    journal = journal_at(tmp_path)
    journal.append({"text": "one"})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = journal.path.stat().st_size
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30, before[1]))
        with pytest.raises(UserError, match="larger than its file system or your limits allow"):
            journal.append({"text": "lost"})
        assert journal.path.stat().st_size == size
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    journal.append({"text": "two"})
    assert texts(journal.path) == ["one", "two"]


def test_a_folder_that_vanished_takes_no_key_until_it_is_back(tmp_path):
    folder = tmp_path / "session"
    folder.mkdir()
    journal = journal_at(folder)
    journal.append({"text": "one"})
    folder.rename(tmp_path / "away")
    with pytest.raises(UserError, match="the folder is gone"):
        journal.append({"text": "lost"})
    with pytest.raises(UserError, match="the folder is gone"):
        journal.append({"text": "lost too"})
    (tmp_path / "away").rename(folder)
    journal.append({"text": "two"})
    assert texts(journal.path) == ["one", "two"]


def test_a_removed_journal_is_written_again_with_all_that_was_taken(tmp_path):
    folder = tmp_path / "session"
    folder.mkdir()
    journal = journal_at(folder)
    journal.append({"text": "one"})
    shutil.rmtree(folder)
    with pytest.raises(UserError):
        journal.append({"text": "lost"})
    folder.mkdir()
    journal.append({"text": "two"})
    assert texts(journal.path) == ["one", "two"]


def test_another_file_in_its_place_is_not_written_to(tmp_path):
    folder = tmp_path / "session"
    folder.mkdir()
    journal = journal_at(folder)
    journal.append({"text": "one"})
    folder.rename(tmp_path / "away")
    folder.mkdir()
    other = write(folder, "other", "another", "a third")
    before = other.read_bytes()
    for _ in range(2):
        with pytest.raises(UserError):
            journal.append({"text": "lost"})
    assert other.read_bytes() == before


def test_later_appends_wait_in_memory_while_the_disk_takes_nothing(tmp_path, monkeypatch):
    journal = journal_at(tmp_path)
    failing(monkeypatch, "write", errno.ENOSPC, times=2)
    journal.append_later({"text": "one"})
    journal.append_later({"text": "two"})
    assert "no space is left" in journal.problem
    journal.append_later({"text": "three"})
    assert journal.problem is None
    journal.sync()
    assert texts(journal.path) == ["one", "two", "three"]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="the folder is gone"):
        journal_at(tmp_path / "missing")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="a part of the path is a file"):
        journal_at(tmp_path / "file")


def test_a_tail_reads_what_was_added_and_no_half_line(tmp_path):
    journal = journal_at(tmp_path)
    tail = JournalTail(journal.path)
    assert tail.more() == []
    journal.append({"text": "one"})
    assert [entry["text"] for entry in tail.more()] == ["one"]
    line = line_of({"number": 2, "text": "two"})
    with journal.path.open("ab") as stream:
        stream.write(line[:9])
    assert tail.more() == []
    with journal.path.open("ab") as stream:
        stream.write(line[9:])
    assert [entry["text"] for entry in tail.more()] == ["two"]
