"""Description of an archive as an RO-Crate, and its manifest."""

from __future__ import annotations

import pytest

from mcukd.archive.container import Broken, Member
from mcukd.archive.crate import crate_of, described_files
from mcukd.archive.manifest import MANIFEST, check_manifest, manifest_of, read_manifest

MEMBERS = [
    Member("study/metrics.json", 12, 0, "a" * 64),
    Member("sessions/Tag 1/observer-ä.jsonl", 3, 0, "b" * 64),
    Member("evidence.json", 1, 0, "c" * 64),
]


def test_every_file_is_reached_from_the_root() -> None:
    crate = crate_of(MEMBERS, name="n", description="d", date="2026-05-01", licence="CC0")
    graph = {one["@id"]: one for one in crate["@graph"]}
    assert len(graph) == len(crate["@graph"]), "an @id is there twice"
    root = graph["./"]
    assert root["@type"] == "Dataset" and root["datePublished"] == "2026-05-01"
    assert graph[root["license"]["@id"]]["name"] == "CC0"
    descriptor = graph["ro-crate-metadata.json"]
    assert descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    reached, new = set(), ["./"]
    while new:
        parts = [one["@id"] for one in graph[new.pop()].get("hasPart", [])]
        reached.update(parts)
        new += parts
    assert {one for one in reached if graph[one]["@type"] == "File"} == {
        "study/metrics.json", "sessions/Tag%201/observer-%C3%A4.jsonl", "evidence.json",
    }  # fmt: skip
    assert graph["study/metrics.json"] == {
        "@id": "study/metrics.json", "@type": "File", "name": "metrics.json", "contentSize": "12",
        "encodingFormat": "application/json", "sha256": "a" * 64,
    }  # fmt: skip
    assert described_files(crate) == {one for one in reached if graph[one]["@type"] == "File"}


def test_what_is_no_description_describes_nothing() -> None:
    for crate in (None, [], {"@graph": [3, {"@type": "Dataset"}]}):
        assert described_files(crate) == set()


def test_a_manifest_is_read_back() -> None:
    assert read_manifest(manifest_of(MEMBERS)) == {one.name: one.sha256 for one in MEMBERS}
    members = {one.name: one for one in [*MEMBERS, Member(MANIFEST, 1, 0, "")]}
    assert check_manifest(members, manifest_of(MEMBERS)) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no digest\n", "line 1: no SHA-256"),
        (b"a" * 64 + b"  x\n" + b"b" * 64 + b"  x\n", "line 2"),
        (b"a" * 64 + b"  x", "ends within a line"),
        (b"\xff\n", "not UTF-8"),
    ],
)
def test_a_manifest_that_is_none_is_told(content: bytes, said: str) -> None:
    with pytest.raises(Broken, match=said):
        read_manifest(content)
