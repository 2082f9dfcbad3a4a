"""Page of a report: self-contained, reproducible, and honest about simulation and emulation."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser

import pytest
from builders.report_study import finish_board, finish_distill, finish_quantize, whole_study
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.drawing import RED, STYLE_FOLDER
from mcukd.errors import UserError
from mcukd.evaluation.model_names import in_order, model_title
from mcukd.files import write_json
from mcukd.pipeline.report import report_study
from mcukd.report.evidence import gather
from mcukd.report.table import board_rows, model_rows, work_per_window
from mcukd.study import Study
from mcukd.text import figure, grouped, number, signed, with_spread

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Page(HTMLParser):
    """Checks nesting and gathers ids, references to other resources and the text of each section."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sections: dict[str, str] = {}
        self.section = "header"
        self.scripts = 0

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        given = dict(attrs)
        self.ids += [given["id"]] if given.get("id") else []
        self.links += [given[key] for key in ("src", "href", "xlink:href", "data") if given.get(key)]
        self.scripts += tag == "script"
        if tag == "section":
            self.section = given["id"]

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "svg"} & set(self.open):
            self.sections[self.section] = self.sections.get(self.section, "") + data


def read(path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert page.open == []
    return page


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return whole_study(tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture(scope="module")
def page(study):
    return read(report_study(study))


def copy(study: Study, tmp_path) -> Study:
    return Study.open(shutil.copytree(study.path, tmp_path / "copy"))


def test_the_page_needs_nothing_from_elsewhere(page, study):
    assert page.links and all(link.startswith("#") for link in page.links)
    assert page.scripts == 0
    text = study.file("report.html").read_text()
    assert not re.search(r"https?://|@import|url\((?!#)", text)
    assert text.count("<svg") == 3


def test_every_link_has_its_place_and_no_id_occurs_twice(page):
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)


def test_the_same_study_gives_the_same_bytes_wherever_it_lies(page, study, tmp_path):
    moved = copy(study, tmp_path)
    first = study.file("report.html").read_bytes()
    again = report_study(moved, tmp_path / "again.html").read_bytes()
    assert again == first
    assert str(study.path).encode() not in first


def test_it_bears_no_date(page, study):
    text = study.file("report.html").read_text()
    assert not re.search(r"\b20[2-9]\d-\d\d-\d\d|\b\d\d:\d\d:\d\d\b", text)


def test_simulated_data_and_emulated_boards_are_called_so_at_the_top(page):
    assert "SIMULATED DATA" in page.sections["header"]
    assert "EMULATED BOARD" in page.sections["header"]
    assert "collar" in page.sections["header"]


def test_a_proof_on_hardware_raises_no_banner(tmp_path):
    study = Study.create(tmp_path / "hardware", "herd-sim", 0)
    finish_distill(study)
    finish_quantize(study)
    finish_board(study, "collar", emulated=False)
    page = read(report_study(study))
    assert "EMULATED BOARD" not in page.sections["header"]
    assert "1\u2009500\u2009000 cycles" in page.sections["boards"]
    assert "on the hardware" in page.sections["boards"]


def test_a_proof_of_the_time_before_the_host_noted_where_is_not_called_hardware(tmp_path):
    study = Study.create(tmp_path / "old", "herd-sim", 0)
    finish_distill(study)
    finish_quantize(study)
    finish_board(study, "collar", emulated=False)
    file = study.file("validation", "collar.json")
    proof = json.loads(file.read_text())
    del proof["reached"]
    write_json(file, proof)
    study.finish("validate:collar", inputs={}, options={}, outputs=[file])
    page = read(report_study(study))
    assert "BOARD NOT KNOWN" in page.sections["header"]
    assert "before mcukd noted how the device is reached" in page.sections["boards"]
    assert "on the hardware" not in page.sections["boards"]


def test_cycles_of_something_unknown_and_of_a_counter_that_stood_still_are_said_so():
    cycles = {"cycles_per_window": 1500, "instructions_per_window": None, "emulated": True}
    behind = {**cycles, "reached": {"kind": "socket", "through": "socket://tag:1"}}
    assert work_per_window(behind) == "1\u2009500 cycles, not shown to be the tag's"
    still = {**behind, "cycles_per_window": None, "counter_problem": "The cycle counter stood still, …"}
    assert work_per_window(still) == "not counted: its counter stood still"
    assert work_per_window({**still, "counter_problem": None}) == "not counted"


def test_it_says_which_figures_are_of_animals_never_seen(page):
    for section in ("models", "classes", "animals", "confusion", "budget"):
        assert "animals the models never saw" in page.sections[section]
    for section in ("formats", "boards"):
        assert "trained on all animals" in page.sections[section]


def test_it_says_which_labels_and_recordings_were_learned_from(tmp_path):
    study = Study.create(tmp_path / "run", card="herd-sim", seed=0)
    finish_distill(study, labelled="animals=2", unlabelled="rest", transductive=True)
    sections = read(report_study(study)).sections
    text = " ".join(words for name, words in sections.items() if name not in ("provenance", "glossary"))
    assert "labels of 2 training animals of each fold; recordings without labels: rest (held-out" in text
    assert "of which it had seen recordings, but no labels, in training" in text
    assert "trained on the labelled animals" in text and "trained without the labels of its animal" in text
    for untrue in ("never saw", "never seen", "not seen in training", "trained on all animals"):
        assert untrue not in text, untrue


def test_figures_on_the_page_are_those_of_metrics_json(page, study):
    models = json.loads(study.file("metrics.json").read_text())["models"]
    assert len(models) == 5
    for name, scores in models.items():
        assert model_title(name) in page.sections["models"]
        assert f"{scores['mcc']:.3f}" in page.sections["models"]
        for behaviour, one in scores["per_class"].items():
            assert behaviour in page.sections["classes"]
            assert f"{one['f1']:.3f}" in page.sections["classes"]
        for minutes in scores["time_budget_error_min_per_day"].values():
            assert f"{minutes:.1f}" in page.sections["budget"]
        for animal, one in scores["per_animal"].items():
            assert animal in page.sections["animals"]
            assert f"{one['mcc']:.3f}" in page.sections["animals"]
    assert "seed 0 only" in page.sections["models"]


def test_formats_on_the_page_are_those_of_the_model(page, study):
    model = gather(study).model
    for name, fmt in model.observed_formats.items():
        assert name in page.sections["formats"]
        assert str(fmt.q).replace("-", "−") in page.sections["formats"]
    assert model.sha256 in page.sections["provenance"]


def test_saturated_tensors_are_named(study, tmp_path):
    changed = copy(study, tmp_path)
    facts = json.loads(changed.file("fixedpoint.json").read_text())
    facts["formats"]["z_pre"]["saturations"] = 4321
    changed.file("fixedpoint.json").write_text(json.dumps(facts))
    record = changed.manifest["stages"]["quantize"]
    changed.finish(
        "quantize",
        inputs=record["inputs"],
        options=record["options"],
        outputs=[changed.file(name) for name in record["outputs"]],
    )
    text = read(report_study(changed)).sections["formats"]
    assert "clipped in z_pre" in text and "4\u2009321" in text


def test_mismatches_are_not_hidden(study, tmp_path):
    changed = copy(study, tmp_path)
    finish_board(changed, "collar", mismatches=3)
    page = read(report_study(changed))
    assert "3 of 400" in page.sections["header"]
    assert "3 of 200 windows differ" in page.sections["boards"]
    assert "tensor z_pre" in page.sections["boards"]


def test_boards_show_the_verdict_the_memory_and_the_hashes(page, study):
    text = page.sections["boards"]
    assert "200 of 200 windows equal, bit for bit" in text
    assert "24\u2009680 (19%)" in text
    assert "1\u2009234\u2009567 instructions" in text
    assert gather(study).model.sha256 in text and "the integer model above" in text
    assert "model weights" in text


def test_a_proof_of_another_model_is_not_taken_for_one_of_this(study, tmp_path):
    changed = copy(study, tmp_path)
    proof = json.loads(changed.file("validation/collar.json").read_text())
    proof["model_sha256"] = "00" * 32
    changed.file("validation/collar.json").write_text(json.dumps(proof))
    record = changed.manifest["stages"]["validate:collar"]
    changed.finish(
        "validate:collar",
        inputs=record["inputs"],
        options=record["options"],
        outputs=[changed.file("validation/collar.json")],
    )
    assert "not the integer model above" in read(report_study(changed)).sections["boards"]


def test_sections_without_artefacts_name_the_command_that_makes_them(tmp_path):
    study = Study.create(tmp_path / "young", "herd-sim", 0)
    page = read(report_study(study))
    assert "mcukd distill" in page.sections["models"]
    assert "mcukd quantize" in page.sections["formats"]
    assert "mcukd validate" in page.sections["boards"]
    finish_distill(study)
    page = read(report_study(study))
    assert "mcukd quantize" in page.sections["models"]
    assert "Student, distilled" in page.sections["models"]


def test_a_card_that_is_gone_is_said_and_the_rest_shown(tmp_path):
    study = Study.create(tmp_path / "cardless", str(tmp_path / "gone.toml"), 0)
    finish_distill(study)
    page = read(report_study(study))
    assert "gone.toml" in page.sections["data"]
    assert "Teacher" in page.sections["models"]


def test_names_from_data_cannot_become_markup(tmp_path):
    study = Study.create(tmp_path / "hostile", "herd-sim", 0)
    finish_distill(study)
    text = study.file("metrics.json").read_text().replace("animal-1", "<b onclick=x>&amp;")
    study.file("metrics.json").write_text(text)
    page = report_study(study)
    assert "<b onclick" not in page.read_text()
    read(page)


@pytest.mark.parametrize("name", ["fixedpoint.npz", "validation/collar.json", "student.keras"])
def test_a_stale_study_is_refused_with_the_command_that_helps(page, study, tmp_path, name):
    changed = copy(study, tmp_path)
    before = changed.file("report.html").read_bytes()
    changed.file(name).write_bytes(changed.file(name).read_bytes() + b" ")
    with pytest.raises(UserError, match=r"run in this order:\n  mcukd \w+ --run"):
        report_study(changed)
    assert changed.file("report.html").read_bytes() == before


@pytest.mark.parametrize("name", ["firmware/other/size.json", "validation/other.json"])
@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_damaged_files_are_sentences(study, tmp_path, name, content):
    changed = copy(study, tmp_path)
    changed.file(name).parent.mkdir(exist_ok=True)
    changed.file(name).write_text(content)
    with pytest.raises(UserError, match=r"other.*run (the command|'mcukd validate --board other')"):
        report_study(changed)


def test_a_second_run_does_nothing_and_a_changed_input_makes_the_page_anew(study, tmp_path):
    changed = copy(study, tmp_path)
    report_study(changed)
    stamp = changed.file("report.html").stat().st_mtime_ns
    report_study(changed)
    assert changed.file("report.html").stat().st_mtime_ns == stamp
    finish_board(changed, "eartag", mismatches=1)
    report_study(changed)
    assert changed.file("report.html").stat().st_mtime_ns != stamp


def test_a_single_seed_has_no_spread_and_is_called_one(tmp_path):
    study = Study.create(tmp_path / "single", "herd-sim", 0)
    finish_distill(study)
    metrics = json.loads(study.file("metrics.json").read_text())
    metrics["seeds"] = [0]
    for scores in metrics["models"].values():
        scores.update(mcc_sd=None, accuracy_sd=None, macro_f1_sd=None)
    study.file("metrics.json").write_text(json.dumps(metrics))
    text = read(report_study(study)).sections["models"]
    assert "A single training seed" in text and "±" not in text


def test_the_console_tables_show_models_in_order_and_boards(study):
    columns, rows = model_rows(study)
    assert columns[:4] == ["model", "MCC", "accuracy", "macro-F1"]
    assert [row[0] for row in rows] == [
        "Teacher",
        "Student, plain",
        "Student, distilled",
        "Fixed point, 8 bits",
        "TFLite int8",
    ]
    assert all(len(row) == len(columns) for row in rows)
    columns, rows = board_rows(study)
    assert [row[:3] for row in rows] == [["collar (emulated)", "200", "0"], ["eartag (emulated)", "200", "0"]]
    assert all(len(row) == len(columns) for row in rows)


def test_tables_of_an_empty_study_are_empty(tmp_path):
    study = Study.create(tmp_path / "empty", "herd-sim", 0)
    assert model_rows(study)[1] == [] and board_rows(study)[1] == []


def test_the_command_writes_where_it_is_told_and_prints_facts(study, tmp_path):
    out = tmp_path / "shared" / "page.html"
    done = CliRunner().invoke(app, ["report", "--run", str(study.path), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["report"] == str(out) and out.exists()
    assert facts["simulated"] is True
    assert facts["boards"]["collar"] == {"emulated": True, "windows": 200, "mismatches": 0, "retries": 3}
    assert set(facts["models"]["teacher"]) == {"mcc", "mcc_sd", "accuracy", "macro_f1"}


def test_a_directory_is_no_page(study, tmp_path):
    with pytest.raises(UserError, match="is a directory"):
        report_study(study, tmp_path)


def test_numbers_as_people_read_them():
    assert figure(None) == "–" and figure(0.12345) == "0.123"
    assert with_spread(0.5, None) == "0.500" and with_spread(0.5, 0.01) == "0.500 ± 0.010"
    assert grouped(1234567) == "1\u2009234\u2009567" and grouped(None) == "–"
    assert [number(x) for x in (-0.9861, 32767, 0.000255, 0, -7852)] == [
        "−0.986",
        "32\u2009767",
        "2.55·10⁻⁴",
        "0",
        "−7\u2009852",
    ]
    assert [signed(x) for x in (-0.04, 3.26, -2.0)] == ["0.0", "+3.3", "−2.0"]
    named = ("fixed_point_4_qat", "fixed_point_4", "teacher", "fixed_point_auto", "fixed_point_16")
    assert in_order(["tflite_int16x8", "tflite_int8", "filter_mlp", *named]) == [
        "teacher",
        "fixed_point_16",
        "fixed_point_4",
        "fixed_point_4_qat",
        "fixed_point_auto",
        "tflite_int8",
        "tflite_int16x8",
        "filter_mlp",
    ]


def test_whatever_may_be_wider_than_the_page_scrolls_in_a_box_that_says_so(page, study):
    """Every table and figure lies in a scrolling box, and right before it stands a hint by its width."""
    text = study.file("report.html").read_text()
    boxes = re.findall(r'<p class="hint (\w+)"[^>]*>scroll sideways →</p><div class="scroll"', text)
    inside = re.findall(r'<div class="scroll"[^>]*>\s*<(table|svg)', text)
    assert len(boxes) == len(inside) == text.count("<table") + text.count("<svg")
    style = text[text.index("<style>") : text.index("</style>")]
    for kind in set(boxes):
        assert kind == "fits" or f".hint.{kind}" in style
    assert "overflow-x: auto" in style and "scrollbar-width" in style


def test_a_table_of_many_models_says_that_it_scrolls_on_wider_screens_than_one_of_few(page, tmp_path):
    widths = {"fits": 0, "c3": 28, "c5": 36, "wide": 48, "c8": 48, "c12": 62, "c99": 0}
    style = (STYLE_FOLDER / "style.css").read_text()
    for kind, rem in widths.items():
        found = re.search(rf"max-width: (\d+)rem\) {{ [^}}]*\.hint\.{kind}\b", style)
        assert (int(found.group(1)) if found else 0) == rem, kind
    assert ".hint.c99 { display: block; }" in style


def clipped(study: Study, tmp_path, loss: float) -> str:
    """The page of a study with a clipped tensor, whose integer model loses `loss` of MCC."""
    changed = copy(study, tmp_path)
    facts = json.loads(changed.file("fixedpoint.json").read_text())
    facts["formats"]["z_pre"]["saturations"] = 4321
    changed.file("fixedpoint.json").write_text(json.dumps(facts))
    record = changed.manifest["stages"]["quantize"]
    outputs = [changed.file(name) for name in record["outputs"]]
    changed.finish("quantize", inputs=record["inputs"], options=record["options"], outputs=outputs)
    for name in ("build:collar-emulated", "build:eartag-emulated", "validate:collar", "validate:eartag"):
        changed.forget(name)
    metrics = json.loads(changed.file("metrics.json").read_text())
    metrics["models"]["fixed_point_8"]["mcc"] = metrics["models"]["student_distilled"]["mcc"] - loss
    changed.file("metrics.json").write_text(json.dumps(metrics))
    return report_study(changed).read_text()


def test_what_is_clipped_is_red_only_where_the_integers_cost_accuracy(study, tmp_path):
    harmless = clipped(study, tmp_path / "harmless", 0.001)
    assert '<span class="warn">Calibration values were clipped in z_pre' in harmless
    assert "costs no accuracy to speak of" in harmless and RED not in figures(harmless)
    costly = clipped(study, tmp_path / "costly", 0.02)
    assert '<span class="bad">Calibration values were clipped in z_pre' in costly
    assert "loses 0.020 of MCC" in costly and RED in figures(costly)


def test_a_study_without_faults_has_nothing_red(page, study):
    text = study.file("report.html").read_text()
    body = text[text.index("<body>") :]
    assert 'class="bad"' not in body and "do-not-use" not in body and RED not in figures(body)


def figures(page: str) -> str:
    return "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))


def test_a_sensor_of_another_scale_than_the_card_s_is_said_at_the_top(study, tmp_path):
    changed = copy(study, tmp_path)
    proof = json.loads(changed.file("validation/collar.json").read_text())
    scale = {"sentence": "The card has 1 count, the collar 2.", "windows": 900, "classes_changed": 7}
    changed.file("validation/collar.json").write_text(json.dumps({**proof, "scale": scale}))
    record = changed.manifest["stages"]["validate:collar"]
    outputs = [changed.file("validation/collar.json")]
    changed.finish("validate:collar", inputs=record["inputs"], options=record["options"], outputs=outputs)
    header = read(report_study(changed)).sections["header"]
    assert "The card has 1 count, the collar 2. At the sensor's counts 7 of 900 recorded windows" in header
