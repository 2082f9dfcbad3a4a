"""Files of packages: one manifest in all of them, a README of facts, the same bytes for the same model."""

from __future__ import annotations

import datetime
import json
import re
from dataclasses import replace

import pytest
from builders.packages import AUTHORS, described, package_of
from builders.students import random_model, random_student, random_windows

from mcukd import __version__
from mcukd.errors import UserError
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.packaging.description import DataFacts, Description, ScoreFacts, markdown
from mcukd.packaging.files import make_package
from mcukd.packaging.manifest import Choices, make_manifest, tool_release
from mcukd.packaging.targets.registry import TARGETS
from mcukd.resources import resource_file

MODEL = random_model()
NASTY = 'gr*az|ing "<b>_x_\\ ]] */ #1 &lt; ~~y~~ $z$ ??/ %s 牛'
#: Where each target's files state a version, and a model's hash.
VERSIONS = {
    "arduino": {"library.properties": r"^version=(.*)$"},
    "platformio": {"library.json": r'"version": "(.*)"'},
    "esp-idf": {"idf_component.yml": r'^version: "(.*)"$', "CMakeLists.txt": r"^# cow_model (\S+), model"},
    "zephyr": {
        "zephyr/module.yml": r"^# cow_model (\S+), model",
        "zephyr/Kconfig": r"^# cow_model (\S+), model",
        "zephyr/CMakeLists.txt": r"^# cow_model (\S+), model",
    },
    "cmake": {
        "CMakeLists.txt": r"^# cow_model (\S+), model",
        "cmake/config.cmake.in": r'^set\(cow_model_FULL_VERSION "(.*)"\)$',
    },
}


def texts(target: str, **choices: object) -> dict[str, str]:
    package = package_of(target, "cow", MODEL, **choices)
    return {path.partition("/")[2]: content.decode() for path, content in package.files.items()}


@pytest.mark.parametrize("target", list(TARGETS))
@pytest.mark.parametrize("release", [None, "3.1.4"])
def test_version_and_model_agree_wherever_they_stand(target: str, release: str) -> None:
    files = texts(target, release=release)
    version = f"{release or __version__}+{MODEL.sha256[:12]}"
    readme = re.findall(r"^Version (\S+) for", files["README.md"], re.M)
    stated = [*(re.findall(pattern, files[name], re.M) for name, pattern in VERSIONS[target].items()), readme]
    assert all(found == [version] for found in stated)
    hashes = {
        found for text in files.values() for found in re.findall(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{16}\b", text)
    }
    assert hashes == {MODEL.sha256, MODEL.sha256[:16]}
    (example,) = [text for name, text in files.items() if "self_test" in name and "int behaviour" in text]
    assert f"cow_model {version}, model " in example


def test_each_target_is_tested_for_its_versions() -> None:
    assert set(VERSIONS) == set(TARGETS)


@pytest.mark.parametrize("target", list(TARGETS))
def test_the_same_model_gives_the_same_bytes(target: str) -> None:
    first, again = (package_of(target, "cow", MODEL) for _ in range(2))
    assert first == again
    assert all(path.startswith("cow_model/") for path in first.files)
    assert {"cow_model/README.md", "cow_model/LICENSE", "cow_model/src/cow_model.h"} <= set(first.files)
    today = datetime.date.today().isoformat().encode()
    assert not [path for path, content in first.files.items() if today in content]


def test_names_of_a_prefix_are_everywhere_and_no_other() -> None:
    for target in TARGETS:
        for name, text in texts(target).items():
            code = re.sub(r'"[^"]*"|/\*.*?\*/|//.*', "", text, flags=re.S) if "src/" in name else ""
            assert not re.search(r"\b(?:mcukd|MCUKD)_", code), (target, name)


def test_words_of_a_user_break_no_file() -> None:
    """Classes are in sentences of every manifest, in C strings and in the README's tables."""
    model = replace(MODEL, classes=(NASTY, "b", "c", "d"), card=NASTY)
    about = Description(
        model,
        DataFacts(NASTY, NASTY, NASTY, (("x", NASTY),), 4.0),
        ScoreFacts(
            "Fixed point",
            (("MCC", "0.9"),),
            NASTY,
            "0, 1",
            NASTY,
            NASTY,
            (NASTY,),
            (NASTY,),
            ((NASTY, "1", "1", "3"),),
        ),
        NASTY,
    )
    yaml = pytest.importorskip("yaml")
    for target in TARGETS.values():
        package = make_package(target, about, Choices("cow", authors=AUTHORS))
        files = {path.partition("/")[2]: content.decode() for path, content in package.files.items()}
        sentence = package.manifest.sentence
        assert NASTY in sentence
        if target.name == "platformio":
            assert json.loads(files["library.json"])["description"] == sentence
        if target.name == "esp-idf":
            assert yaml.safe_load(files["idf_component.yml"])["description"] == sentence
        if target.name == "arduino":
            properties = dict(line.split("=", 1) for line in files["library.properties"].splitlines())
            assert "gr*az" in properties["sentence"]
        for line in files["README.md"].splitlines():
            if line.startswith("|"):
                # A bar of the user's would be a column more.
                assert len(re.findall(r"(?<!\\)\|", line)) in (3, 5)
        assert NASTY not in files["README.md"] and markdown(NASTY) in files["README.md"]


@pytest.mark.parametrize(
    "bad", ["\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\x9f", "\u2028", "\u202e", "\ufffe"]
)
def test_control_characters_of_a_user_break_no_manifest(bad: str) -> None:
    yaml = pytest.importorskip("yaml")
    model = replace(MODEL, classes=(f"gra{bad}zing", "b", "c", "d"))
    said = "Classifies behaviour (gra zing, b, c, d) from acceleration"
    for target, name, read in (
        ("esp-idf", "idf_component.yml", lambda text: yaml.safe_load(text)["description"]),
        ("platformio", "library.json", lambda text: json.loads(text)["description"]),
        ("arduino", "library.properties", lambda text: text.partition("sentence=")[2].splitlines()[0]),
    ):
        files = make_package(TARGETS[target], described(model), Choices("cow")).files
        assert read(files[f"cow_model/{name}"].decode()).startswith(said)
        # Each file's lines end with a line feed, and tabs are its own.
        assert bad in "\n\t" or not [path for path, content in files.items() if bad.encode() in content]


def test_readme_says_what_is_known_and_what_is_not() -> None:
    readme = texts("cmake")["README.md"]
    assert "It was never scored" in readme and "Proven on no board yet." in readme
    assert "SIMULATED" in readme  # random models say so
    real = make_package(TARGETS["cmake"], described(replace(MODEL, simulated=False)), Choices("cow"))
    assert b"SIMULATED" not in real.files["cow_model/README.md"]
    for fact in ("class-0", "4096 counts per g", "50 samples per second", "30 samples, 0.6 s"):
        assert fact in readme


def test_readme_lets_a_reader_check_the_order_and_signs_of_axes() -> None:
    readme = texts("cmake")["README.md"]
    window, extreme = MODEL.arrays["known_windows"]
    said = ", ".join(str(round(float(mean))) for mean in window.mean(axis=0))
    assert f"the axes average {said} counts" in readme and len(window[0]) == 3
    assert "One window of that data is in `src/cow_known_answer.c`." in readme
    assert "the other of random numbers" in readme and abs(extreme.astype(int)).max() > 30000


def test_mixed_widths_are_all_said() -> None:
    """In the README and in the header; `bits` is that of recurrent weights alone."""
    widths = QuantizeConfig(4, kernel_bits=16, head_bits=8)
    mixed = quantize(random_student(0, hidden=8), random_windows(), widths, operation_hop=30)
    files = package_of("cmake", "cow", mixed).files
    for name in ("README.md", "src/cow_model.h"):
        assert b"4-, 8-, 16-bit weights" in files[f"cow_model/{name}"], name
    uniform = package_of("cmake", "cow", MODEL).files["cow_model/README.md"]
    assert f" {MODEL.bits}-bit weights".encode() in uniform


def test_licence_of_another_needs_its_text() -> None:
    assert texts("cmake")["LICENSE"] == resource_file("LICENSE").read_text(encoding="utf-8")
    files = texts("arduino", licence="MIT", licence_text="Do as you like.")
    assert files["LICENSE"] == "Do as you like." and "license=MIT\n" in files["library.properties"]


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"prefix": "my cow"}, "--prefix is 'my cow'"),
        ({"release": "1.2"}, "--package-version is '1.2', expected MAJOR.MINOR.PATCH"),
        ({"release": "01.2.3"}, "--package-version is '01.2.3'"),
        ({"release": "1.2.3+mine"}, "the model's hash follows it"),
        ({"authors": ("A, B",)}, "--author is 'A, B', expected a name without commas"),
        ({"authors": ("A\nB",)}, "--author is"),
        ({"authors": ("A <nobody>",)}, "--author is 'A <nobody>'"),
        ({"authors": ("",)}, "--author is ''"),
        ({"licence": "MIT"}, "--licence is MIT; give its text with --licence-file"),
        ({"licence": "my own"}, "--licence is 'my own', expected an SPDX expression"),
        ({"licence_text": "x"}, "--licence-file is given, but --licence is Apache-2.0"),
        ({"url": "example.org"}, "--url is 'example.org', expected an address that begins with"),
        ({"url": "https://a b"}, "--url is"),
        ({"url": ""}, "--url is ''"),
        ({"url": "https://a\x01"}, "--url is"),
        ({"licence": ""}, "--licence is ''"),
        ({"licence": "MIT", "licence_text": " \n"}, "--licence-file is empty, expected the text"),
    ],
)
def test_choices_that_a_file_could_not_state_are_refused(choices: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        make_manifest("cmake", Choices(**{"prefix": "cow", **choices}), "0" * 64, "s", "p")  # type: ignore[arg-type]


def test_authors_are_spelt_as_each_format_wants_them() -> None:
    assert json.loads(texts("platformio")["library.json"])["authors"] == [
        {"name": "Ada Lovelace", "email": "ada@example.org"}, {"name": "Charles Babbage"},
    ]  # fmt: skip
    said = texts("arduino")["library.properties"]
    assert "author=Ada Lovelace <ada@example.org>, Charles Babbage\n" in said
    assert "maintainer=Ada Lovelace <ada@example.org>\n" in said
    nobody = make_package(TARGETS["arduino"], described(MODEL), Choices("cow"))
    assert f"author=made with mcukd {__version__}\n".encode() in nobody.files["cow_model/library.properties"]


@pytest.mark.parametrize(
    ("version", "release"),
    [("0.1.0", "0.1.0"), ("1.2.0rc1", "1.2.0"), ("1.2.3.dev4+local", "1.2.3"), ("2.0", "2.0.0")],
)
def test_a_version_of_pythons_is_a_release_of_the_package(version: str, release: str) -> None:
    assert tool_release(version) == release
