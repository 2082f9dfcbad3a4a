"""Rendering of `firmware_templates` by Jinja, with a prefix of generated names."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mcukd import __version__
from mcukd.codegen.context import comment
from mcukd.codegen.prefix import DEFAULT, with_prefix
from mcukd.resources import resource_dir

if TYPE_CHECKING:
    import jinja2


def render_folders(folders: list[str], context: dict[str, Any], prefix: str = DEFAULT) -> dict[str, str]:
    """Return the text of every file of some template folders by its name, empty ones left out.

    folders: below `firmware_templates`, or absolute paths. Files whose names begin with an underscore are
    only imported or extended by others.
    """
    texts: dict[str, str] = {}
    root = resource_dir("firmware_templates")
    for folder in folders:
        for file in sorted((root / folder).iterdir()):
            if file.name.startswith(("_", ".")) or not file.is_file():
                continue
            if file.stem.endswith(".S") and not context["kernel"]:
                continue
            if file.suffix != ".j2":
                texts[file.name] = file.read_text(encoding="utf-8")
            elif text := render_template(f"{folder}/{file.name}", context, prefix):
                texts[with_prefix(file.stem, prefix)] = text
    return texts


def render_template(template: str, context: dict[str, Any], prefix: str = DEFAULT) -> str:
    """Return the text of one template, named by its path below `firmware_templates` or an absolute one."""
    return _environment(prefix).get_template(template).render(tool_version=__version__, **context)


@lru_cache(maxsize=4)
def _environment(prefix: str) -> jinja2.Environment:
    import jinja2

    def load(name: str) -> str:
        # Names are replaced in templates, never in what they print of the user's: classes, the card's name.
        file = resource_dir("firmware_templates") / name
        return with_prefix(file.read_text(encoding="utf-8"), prefix)

    class Environment(jinja2.Environment):
        """Templates, of which `./name` is the one beside the template that asks for it."""

        def join_path(self, template: str, parent: str) -> str:
            return f"{parent.rpartition('/')[0]}/{template[2:]}" if template.startswith("./") else template

    environment = Environment(
        loader=jinja2.FunctionLoader(load),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.globals["prefix"] = prefix
    environment.filters["c_string"] = c_string
    environment.filters["comment"] = comment
    return environment


def c_string(text: str) -> str:
    """Return a text as a C string literal of its UTF-8 bytes."""
    # Octal escapes end after three digits; hexadecimal ones would swallow a following digit.
    plain = set(range(32, 127)) - {ord('"'), ord("\\"), ord("?")}
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode()) + '"'
