"""Files of a package: sources, what its toolchain asks for, README and licence, by their paths in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcukd.codegen.context import model_context
from mcukd.codegen.kernel import staggered_states
from mcukd.codegen.packaged import packaged_cores, packaged_sources
from mcukd.codegen.templates import render_template
from mcukd.errors import UserError
from mcukd.packaging.description import Description, markdown
from mcukd.packaging.manifest import Choices, Manifest, make_manifest
from mcukd.packaging.targets.target import Target
from mcukd.resources import resource_dir, resource_file

SOURCES = "src"
_README = "packages/common/README.md.j2"


@dataclass(frozen=True)
class Package:
    """A package: its manifest, and its files' bytes by path, all below a folder of the package's name."""

    manifest: Manifest
    files: dict[str, bytes]

    @property
    def assembly(self) -> list[str]:
        """Its assembly files."""
        return [path for path in self.files if path.endswith(".S")]


def make_package(
    target: Target, description: Description, choices: Choices, optimize: str = "speed"
) -> Package:
    """Return a model's package for a toolchain; the same model, choices and mcukd give the same bytes.

    optimize: of assembly steps, `speed` or `size`. Raises UserError for choices that some file could not
    state, and for a name that the toolchain refuses.
    """
    model = description.model
    manifest = make_manifest(target.name, choices, model.sha256, description.sentence, description.paragraph)
    if problem := target.name_problem(manifest.name):
        raise UserError(
            f"--prefix is '{manifest.prefix}', so the package is {manifest.name}, but {problem}; take "
            "another prefix."
        )
    cores = packaged_cores() if target.assembly else ()
    sources = packaged_sources(model, manifest.prefix, cores, optimize)
    context = {
        "package": manifest,
        "target": target,
        "about": description,
        "sources": list(sources),
        "assembly": [name for name in sources if name.endswith(".S")],
        "assembly_cores": [
            one.title for one in cores if f"{manifest.prefix}_kernel_{one.option}.S" in sources
        ],
        "ram_bytes": model_context(model)["ram_bytes"],
        "states": staggered_states(model),
        "json": _json,
        "md": markdown,
    }
    texts = {f"{SOURCES}/{name}": text for name, text in sources.items()}
    texts.update(_toolchain_files(target, context))
    texts["README.md"] = render_template(
        _README, {**context, "install": f"{target.templates}/_install.md.j2"}
    )
    own = choices.licence_text
    texts["LICENSE"] = resource_file("LICENSE").read_text(encoding="utf-8") if own is None else own
    return Package(
        manifest, {f"{manifest.name}/{path}": text.encode() for path, text in sorted(texts.items())}
    )


def _toolchain_files(target: Target, context: dict[str, Any]) -> dict[str, str]:
    """Render the templates of a toolchain, in the folders they lie in; `_name` is for README and others."""
    root: Path = resource_dir("firmware_templates") / target.templates
    texts = {}
    for file in sorted(root.rglob("*.j2")):
        if not file.name.startswith(("_", ".")):
            path = file.relative_to(root).as_posix()
            texts[path.removesuffix(".j2")] = render_template(f"{target.templates}/{path}", context)
    return texts


def _json(value: Any) -> str:
    """Return a value as JSON, whose strings YAML reads too."""
    return json.dumps(value, indent=2, ensure_ascii=False)
