"""Archives of a study, and what `verify` finds in them, also where their hashes were made anew."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.commands import mcukd
from builders.day_log import day_log
from builders.evidence import (
    contents_of,
    evidence_study,
    made_over,
    session_folder,
    with_hashes_made_anew,
)
from builders.students import random_model
from builders.studies import simulated_study
from builders.tag_dump import two_starts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcukd.archive.container import measured, read_archive, write_archive
from mcukd.archive.proof import ProvenWindows
from mcukd.boards.launch import can_run, tools_missing
from mcukd.boards.model import load_board
from mcukd.errors import UserError
from mcukd.fixedpoint.model import ARRAYS_FILE, FACTS_FILE, load_model, save_model
from mcukd.observation.journal_lines import line_of
from mcukd.pipeline.archive import ArchiveOptions, archive_study
from mcukd.pipeline.validate import validate_study
from mcukd.pipeline.verify import verify_archive
from mcukd.study import Study

native_only = pytest.mark.skipif(
    bool(tools_missing(load_board("native"))) or shutil.which("cc") is None, reason="needs a host C compiler"
)
pytestmark = native_only


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = evidence_study(tmp_path_factory.mktemp("runs") / "herd")
    validate_study(study, load_board("native"), windows=8)
    return study


@pytest.fixture(scope="module")
def archive(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere")
    session = session_folder(folder / "meadow", model_sha256=load_model(study.path).sha256)
    (folder / "tag7.log").write_bytes(two_starts())
    options = ArchiveOptions(sessions=(session,), logs=(folder / "tag7.log",))
    archive_study(study, folder / "herd.zip", options)
    return folder / "herd.zip"


def breaks(path: Path, **options: Any) -> str:
    facts = verify_archive(path, chip=False, **options)
    assert not facts["holds"] and facts["sentence"].startswith("The evidence does not hold: it breaks at ")
    return str(facts["sentence"])


def metrics_with(archive: Path, *path: Any, value: Any) -> bytes:
    content = json.loads(read_archive(archive).read("study/metrics.json"))
    place = content
    for key in path[:-1]:
        place = place[key]
    assert place[path[-1]] != value
    place[path[-1]] = value
    return json.dumps(content).encode()


def test_an_untouched_archive_holds_on_another_path(archive: Path, tmp_path: Path) -> None:
    copy = shutil.copy(archive, tmp_path / "fresh.zip")
    facts = verify_archive(Path(copy), read_archive(archive).sha256)
    states = {one["what"]: one["state"] for one in facts["checks"]}
    assert states == {
        "files": "holds", "SHA-256": "holds", "study": "holds", "model": "holds", "record of native": "holds",
        "reference of native": "holds", "image of native": "not checked", "figures": "holds",
        "session meadow": "holds", "log tag7.log": "holds",
    }  # fmt: skip
    assert facts["holds"] and "not checked: image of native." in facts["sentence"]
    figures = next(one["detail"] for one in facts["checks"] if one["what"] == "figures")
    assert "student, student_distilled, teacher follow from the stored predictions" in figures
    assert "scores of rounded follow from their confusion matrices" in figures
    session = next(one["detail"] for one in facts["checks"] if one["what"] == "session meadow")
    assert session.endswith(
        "animals are SIMULATED, the tag is EMULATED; agreement and time budgets follow from them"
    )
    assert "The data are simulated" in facts["description"]


def test_a_copy_of_the_study_gives_the_same_bytes(study: Study, archive: Path, tmp_path: Path) -> None:
    shutil.copytree(study.path.parent, tmp_path / "other", symlinks=True)
    shutil.rmtree(tmp_path / "other" / "latest", ignore_errors=True)
    copy = Study.open(tmp_path / "other" / "herd")
    copy.manifest["card"] = str(tmp_path / "other" / "herd.toml")
    out = tmp_path / "again.zip"
    shutil.copytree(archive.parent / "meadow", tmp_path / "meadow")
    log = Path(shutil.copy2(archive.parent / "tag7.log", tmp_path))
    archive_study(copy, out, ArchiveOptions(sessions=(tmp_path / "meadow",), logs=(log,)))
    assert out.read_bytes() == archive.read_bytes()


def test_nothing_of_this_computer_is_told(study: Study, archive: Path) -> None:
    for name, content in contents_of(read_archive(archive)).items():
        for told in (str(study.path.parent), str(Path.home()) + "/", str(Path.cwd())):
            assert told.encode() not in content, f"{name} tells {told}"
        assert not name.startswith("/")


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_flipped_bit_is_found(archive: Path, tmp_path: Path, data: st.DataObject) -> None:
    """In a member (the description and the manifest too), in its header, or in the directory."""
    content = bytearray(archive.read_bytes())
    members = read_archive(archive).members
    last = max(members.values(), key=lambda one: one.place)
    directory = last.content_place + last.size
    name = data.draw(st.sampled_from([*sorted(members), "directory"]))
    begin, end = directory, len(content)
    if name != "directory":
        begin, end = members[name].place, members[name].content_place + members[name].size
    place = data.draw(st.integers(begin, end - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    changed = tmp_path / "changed.zip"
    changed.write_bytes(content)
    assert "it breaks at files" in breaks(changed)


def test_an_archive_cut_short_anywhere_is_found(archive: Path, tmp_path: Path) -> None:
    content = archive.read_bytes()
    for length in (5, 31, len(content) // 3, len(content) - 23, len(content) - 1):
        (tmp_path / "cut.zip").write_bytes(content[:length])
        assert "it breaks at files" in breaks(tmp_path / "cut.zip")


def test_another_file_than_the_published_one_is_found(archive: Path) -> None:
    assert "it breaks at SHA-256, where the file has the SHA-256" in breaks(archive, sha256="0" * 64)
    with pytest.raises(UserError, match="expected 64 hexadecimal digits"):
        verify_archive(archive, "0" * 63)


def test_a_member_taken_out_or_put_in_is_found(archive: Path, tmp_path: Path) -> None:
    """With the zip written anew, and the manifest left as it was."""
    for change, said in (("out", "is missing, which the manifest lists"), ("in", "does not list it")):
        members: dict[str, Any] = dict(contents_of(read_archive(archive)))
        if change == "out":
            members.pop(next(name for name in members if name.startswith("study/evaluation/")))
        else:
            members["study/more.json"] = b"{}"
        out = tmp_path / f"{change}.zip"
        write_archive(out, members, {name: measured(name, one) for name, one in members.items()})
        assert said in breaks(out)


def test_a_file_of_a_stage_that_is_gone_is_found_with_hashes_made_anew(archive: Path, tmp_path: Path) -> None:
    gone = next(name for name in read_archive(archive).members if name.startswith("study/evaluation/"))
    out = made_over(archive, tmp_path / "a.zip", {gone: None})
    assert "it breaks at study, where stage 'distill'" in breaks(out)


def test_a_swapped_model_is_found_however_far_hashes_are_made_anew(
    study: Study, archive: Path, tmp_path: Path
) -> None:
    other = random_model(7, steps=64, hidden=8, dense=8, classes=len(load_model(study.path).classes))
    save_model(other, tmp_path)
    swapped = {f"study/{name}": (tmp_path / name).read_bytes() for name in (ARRAYS_FILE, FACTS_FILE)}
    out = made_over(archive, tmp_path / "1.zip", dict(swapped))
    assert "it breaks at study, where stage 'quantize'" in breaks(out)
    anew = with_hashes_made_anew(archive, swapped)
    out = made_over(archive, tmp_path / "2.zip", anew)
    assert "it breaks at model, where the model is" in breaks(out)
    facts = {"study": {"model": {"sha256": other.sha256}}}
    out = made_over(archive, tmp_path / "3.zip", anew, facts)
    assert "it breaks at record of native, where the record is of model" in breaks(out)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("models", "student_distilled", "mcc"), 0.999),
        (("models", "student_distilled", "per_class", "resting", "recall"), 1.0),
        (("models", "student_distilled", "intervals", "mcc"), [0.9, 1.0]),
        (("models", "teacher", "confusion"), [[1]]),
        (("models", "rounded", "accuracy"), 0.99),
        (("models", "rounded", "per_class", "resting", "precision"), 0.25),
        (("comparisons", 0, "verdict"), "worse"),
        (("comparisons", 0, "difference"), 0.5),
    ],
)
def test_an_edited_figure_is_found_with_hashes_made_anew(
    archive: Path, tmp_path: Path, path: tuple[Any, ...], value: Any
) -> None:
    edited = metrics_with(archive, *path, value=value)
    changes = with_hashes_made_anew(archive, {"study/metrics.json": edited})
    out = made_over(archive, tmp_path / "a.zip", changes)
    sentence = breaks(out)
    assert "it breaks at figures, where metrics.json: " in sentence and "is computed" in sentence


def test_means_over_seeds_are_checked_where_predictions_are_gone(archive: Path, tmp_path: Path) -> None:
    edited = metrics_with(archive, "models", "student", "mcc_sd", value=0.5)
    changes = with_hashes_made_anew(archive, {"study/metrics.json": edited})
    out = made_over(archive, tmp_path / "a.zip", {**changes, "figures/evaluation_windows.npz": None})
    assert "metrics.json: student, mcc_sd is 0.5 there" in breaks(out)


def test_an_edited_answer_or_window_is_found(archive: Path, tmp_path: Path) -> None:
    windows = ProvenWindows.from_bytes(read_archive(archive).read("proof/native.npz"), "x")
    for part in ("classes", "logits", "state_crc"):
        values = getattr(windows, part).copy()
        values[3] = values[3] + 1 if part != "classes" else 1 - min(values[3], 1)
        edited = ProvenWindows(**{**vars(windows), part: values})
        out = made_over(archive, tmp_path / f"{part}.zip", {"proof/native.npz": edited.to_bytes()})
        assert "it breaks at reference of native, where window 3 (recorded" in breaks(out)
    counts = windows.probes.counts.copy()
    counts[0] = np.random.default_rng(0).integers(-900, 900, counts[0].shape)
    probes = type(windows.probes)(**{**vars(windows.probes), "counts": counts})
    edited = ProvenWindows(probes, windows.classes, windows.logits, windows.state_crc)
    out = made_over(archive, tmp_path / "counts.zip", {"proof/native.npz": edited.to_bytes()})
    assert "it breaks at reference of native, where window 0" in breaks(out)


def test_an_edited_record_or_source_is_found(archive: Path, tmp_path: Path) -> None:
    read = read_archive(archive).read
    record = json.loads(read("study/validation/native.json"))
    edited = json.dumps({**record, "windows": 5000}).encode()
    changes = with_hashes_made_anew(archive, {"study/validation/native.json": edited})
    assert "the record is of 5000 windows, but 8 are packed" in breaks(
        made_over(archive, tmp_path / "a.zip", changes)
    )
    source = "study/firmware/native/mcukd_model.c"
    changes = with_hashes_made_anew(archive, {source: read(source) + b"\n"})
    assert "sources are not those whose hash the device reports" in breaks(
        made_over(archive, tmp_path / "b.zip", changes)
    )


JOURNALS = ("observer-anna.jsonl", "tag-00c0ffee00c0ffee.jsonl")


@pytest.mark.parametrize("name", JOURNALS)
def test_a_missing_journal_is_found_with_hashes_made_anew(archive: Path, tmp_path: Path, name: str) -> None:
    out = made_over(archive, tmp_path / "a.zip", {f"sessions/meadow/{name}": None})
    assert f"it breaks at session meadow, where the journal {name} is missing" in breaks(out)
    whole = [one for one in read_archive(archive).members if one.startswith("sessions/meadow/")]
    out = made_over(archive, tmp_path / "b.zip", dict.fromkeys(whole))
    assert "it breaks at session meadow" in breaks(out)


@pytest.mark.parametrize("name", JOURNALS)
def test_a_journal_with_a_line_changed_removed_or_cut_off_is_found(
    archive: Path, tmp_path: Path, name: str
) -> None:
    member = f"sessions/meadow/{name}"
    lines = read_archive(archive).read(member).splitlines(keepends=True)
    for number, (changed, said) in enumerate(
        (
            ([*lines[:2], lines[2].replace(b"ing", b"Ing").replace(b'"', b"'", 1), *lines[3:]], "checksum"),
            ([*lines[:2], *lines[3:]], "expected entry 2"),
            (lines[:-1], "entries, but"),
        )
    ):
        out = made_over(archive, tmp_path / f"{number}.zip", {member: b"".join(changed)})
        sentence = breaks(out)
        assert "it breaks at session meadow" in sentence and said in sentence


def test_an_entry_changed_with_its_checksum_is_found_by_the_figures(archive: Path, tmp_path: Path) -> None:
    member = "sessions/meadow/observer-anna.jsonl"
    lines = read_archive(archive).read(member).splitlines(keepends=True)
    entry = next(n for n, line in enumerate(lines) if b'"behaviour":"grazing"' in line)
    fields = json.loads(lines[entry])
    del fields["crc32"]
    lines[entry] = line_of({**fields, "behaviour": "walking"})
    out = made_over(archive, tmp_path / "a.zip", {member: b"".join(lines)})
    sentence = breaks(out)
    assert "it breaks at session meadow, where meadow" in sentence and "is computed" in sentence


def test_an_edited_figure_of_a_session_is_found_with_hashes_made_anew(archive: Path, tmp_path: Path) -> None:
    member = "figures/sessions/meadow.json"
    figures = json.loads(read_archive(archive).read(member))
    figures["agreement"]["together"]["kappa"]["time"]["value"] = 0.99
    out = made_over(archive, tmp_path / "a.zip", {member: json.dumps(figures).encode()})
    assert "agreement, together, kappa, time, value is 0.99 there, but" in breaks(out)
    del figures["agreement"]
    out = made_over(archive, tmp_path / "b.zip", {member: json.dumps(figures).encode()})
    assert "has no recorded agreement" in breaks(out)


def test_another_log_is_found_with_hashes_made_anew(archive: Path, tmp_path: Path) -> None:
    figures = json.loads(read_archive(archive).read("evidence.json"))["logs"]["tag7.log"]
    assert figures["models"] == ["9abcdef0"] and figures["records"]["boot"] == 2
    out = made_over(archive, tmp_path / "a.zip", {"logs/tag7.log": day_log(400)})
    assert "it breaks at log tag7.log, where tag7.log, " in breaks(out)
    out = made_over(archive, tmp_path / "b.zip", {"logs/tag7.log": None})
    assert "it breaks at log tag7.log, where tag7.log is missing" in breaks(out)
    figures["results"]["1"] += 100
    out = made_over(archive, tmp_path / "c.zip", {}, {"logs": {"tag7.log": figures}})
    assert "tag7.log, results, 1 is" in breaks(out)


def test_proofs_that_the_facts_do_not_tell_are_not_passed_over(archive: Path, tmp_path: Path) -> None:
    out = made_over(archive, tmp_path / "a.zip", {}, {"proofs": {}})
    assert "it breaks at record of native" in breaks(out)


@pytest.mark.parametrize(
    "facts",
    [{"proofs": [1]}, {"proofs": {"native": {"ran_on": 3, "board_files": 7}}}, {"study": []}, {"metrics": 5}],
)
def test_facts_of_any_kind_end_in_a_sentence(archive: Path, tmp_path: Path, facts: dict[str, Any]) -> None:
    told = verify_archive(made_over(archive, tmp_path / "a.zip", {}, facts), chip=False)
    assert "\n" not in told["sentence"]


def test_names_in_files_do_not_lead_out_of_the_archive(archive: Path, tmp_path: Path) -> None:
    manifest = json.loads(read_archive(archive).read("study/study.json"))
    manifest["stages"]["quantize"]["outputs"]["../../../etc/passwd"] = "0" * 64
    changes: dict[str, Any] = {"study/study.json": json.dumps(manifest).encode()}
    assert "leads out of the archive" in breaks(made_over(archive, tmp_path / "a.zip", changes))
    for facts in ({"sessions": ["../../x"]}, {"logs": {"../x": {}}}):
        out = made_over(archive, tmp_path / "b.zip", {}, facts)
        assert "leads out of the archive" in breaks(out)


def test_compressed_arrays_are_not_read(archive: Path, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", counts=np.zeros((1000, 64, 3), np.int16))
    bomb = (tmp_path / "bomb.npz").read_bytes()
    out = made_over(archive, tmp_path / "a.zip", {"proof/native.npz": bomb})
    assert "has compressed arrays" in breaks(out)


def test_an_archive_of_a_later_format_is_for_a_later_mcukd(archive: Path, tmp_path: Path) -> None:
    out = made_over(archive, tmp_path / "a.zip", {}, {"format": "mcukd archive 2"})
    with pytest.raises(UserError, match="a newer mcukd may read it"):
        verify_archive(out)


def test_the_commands_end_with_0_1_and_2(study: Study, tmp_path: Path) -> None:
    made = mcukd("archive", str(study.path), "--date", "2026-05-01", "--json", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["file"] == "herd.zip" and told["date"] == "2026-05-01"
    again = mcukd("archive", str(study.path), cwd=tmp_path)
    assert again.returncode == 2 and "is there; name another file with --out" in again.stderr
    good = mcukd("verify", "herd.zip", "--sha256", told["sha256"], cwd=tmp_path)
    assert good.returncode == 0 and "The evidence holds" in good.stdout, good.stderr
    content = bytearray((tmp_path / "herd.zip").read_bytes())
    content[len(content) // 2] ^= 4
    (tmp_path / "herd.zip").write_bytes(content)
    bad = mcukd("verify", "herd.zip", "--json", cwd=tmp_path)
    assert bad.returncode == 1 and json.loads(bad.stdout)["holds"] is False
    for name in ("gone.zip", "."):
        wrong = mcukd("verify", name, cwd=tmp_path)
        assert wrong.returncode == 2 and "Traceback" not in wrong.stderr


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive whose image runs on a modelled chip."""
    collar = load_board("collar")
    if tools_missing(collar) or not can_run(collar):
        pytest.skip("needs the Arm compiler and unicorn")
    study = simulated_study(tmp_path_factory.mktemp("runs") / "herd", steps=64)
    validate_study(study, collar, emulate=True, windows=12)
    out = tmp_path_factory.mktemp("elsewhere") / "herd.zip"
    archive_study(study, out, ArchiveOptions())
    return out


def image_breaks(path: Path) -> str:
    facts = verify_archive(path)
    found = {one["what"]: one for one in facts["checks"]}
    assert not facts["holds"] and found["image of collar"]["state"] == "does not hold"
    return str(found["image of collar"]["detail"])


@pytest.mark.emulator
def test_the_image_runs_again_on_its_modelled_chip(proven: Path) -> None:
    facts = verify_archive(proven)
    assert facts["sentence"] == "The evidence holds."
    image = next(one["detail"] for one in facts["checks"] if one["what"] == "image of collar")
    assert image.startswith("12 windows on modelled chip CC2650F128: every class, logit and state checksum")


@pytest.mark.emulator
def test_an_edited_image_is_found_with_all_hashes_made_anew(proven: Path, tmp_path: Path) -> None:
    """One weight of the model, in the file that is run."""
    member = "study/firmware/collar/build/firmware.elf"
    content = bytearray(read_archive(proven).read(member))
    content[place_of("mcukd_model_output", bytes(content))] ^= 0x80
    changes = with_hashes_made_anew(proven, {member: bytes(content)})
    out = made_over(proven, tmp_path / "a.zip", changes)
    assert image_breaks(out).startswith("First mismatch: window ")


def place_of(symbol: str, content: bytes) -> int:
    """Return where a symbol's bytes begin in an ELF file."""
    from elftools.elf.elffile import ELFFile

    elf = ELFFile(io.BytesIO(content))
    found = elf.get_section_by_name(".symtab").get_symbol_by_name(symbol)[0]
    section = elf.get_section(found["st_shndx"])
    return int(section["sh_offset"] + found["st_value"] - section["sh_addr"])


@pytest.mark.emulator
@pytest.mark.parametrize("key", ["instructions_per_window", "flash_bytes", "stack_high_water_bytes"])
def test_an_edited_cost_is_found_with_all_hashes_made_anew(proven: Path, tmp_path: Path, key: str) -> None:
    record = json.loads(read_archive(proven).read("study/validation/collar.json"))
    edited = json.dumps({**record, key: record[key] // 2}).encode()
    changes = with_hashes_made_anew(proven, {"study/validation/collar.json": edited})
    assert f"where {key} is {record[key] // 2}" in verify_archive(
        made_over(proven, tmp_path / "a.zip", changes)
    )["sentence"].replace(",", "")


@pytest.mark.emulator
def test_without_unicorn_it_is_said_what_was_not_run(proven: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "unicorn", None)
    facts = verify_archive(proven)
    assert facts["holds"] and "not checked: image of collar" in facts["sentence"]
    image = next(one["detail"] for one in facts["checks"] if one["what"] == "image of collar")
    assert "needs the package unicorn" in image


@pytest.mark.parametrize("told", [None, 1, {"a": 1}, [1]])
def test_what_an_archive_leaves_out_may_be_of_any_kind(archive: Path, tmp_path: Path, told: Any) -> None:
    """Trap: the list of sentences was printed as it stood, and a number ended in a traceback."""
    path = made_over(archive, tmp_path / "x.zip", {}, {"left_out": told})
    ended = mcukd("verify", str(path), "--no-chip")
    assert ended.returncode == 0 and "The evidence holds" in ended.stdout


@pytest.mark.parametrize("member", ["study/study.json", "study/metrics.json"])
def test_json_that_never_ends_breaks_an_archive(archive: Path, tmp_path: Path, member: str) -> None:
    path = made_over(archive, tmp_path / "x.zip", {member: b"[" * 100_000})
    assert "breaks at" in breaks(path)
