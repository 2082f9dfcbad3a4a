"""Manifest of a package: the facts that its files state in their own forms, each from this one place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mcukd import __version__
from mcukd.codegen.prefix import check_prefix
from mcukd.errors import UserError

#: Of mcukd's own code. Another licence needs its text (`--licence-file`).
LICENCE = "Apache-2.0"
#: Where nobody is named.
TOOL = f"made with mcukd {__version__}"
#: Page of the method, for toolchains that demand a page where none is given.
METHOD = "https://doi.org/10.1016/j.atech.2022.100159"
#: Digits of the model's SHA-256 in a version.
_HASH_DIGITS = 12
_RELEASE = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}")
_AUTHOR = re.compile(r"(?P<name>[^<>,;\"\\]*[^<>,;\"\\\s])(?: <(?P<mail>[^<>@,\s]+@[^<>@,\s]+)>)?")
#: Of an SPDX expression.
_SPDX = re.compile(r"[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*")
_URL = re.compile(r"https?://[^\s\"'<>\\]+")


@dataclass(frozen=True)
class Manifest:
    """What the files of a package say of it.

    prefix: of names in C. release: MAJOR.MINOR.PATCH. licence: SPDX expression. authors: each a name, with or
    without a mail address in angle brackets. url: a page for people. sentence, paragraph: what the package
    is, each on one line. target: as `--target` spells it.
    """

    target: str
    prefix: str
    release: str
    model_sha256: str
    licence: str
    authors: tuple[str, ...]
    url: str
    sentence: str
    paragraph: str

    @property
    def name(self) -> str:
        """Name of the package, which is also the name of the model's header."""
        return f"{self.prefix}_model"

    @property
    def macros(self) -> str:
        """The prefix as macros have it."""
        return self.prefix.upper()

    @property
    def version(self) -> str:
        """The release and the model as semantic versioning's build metadata: 0.1.0+0f3a5c81b2d4."""
        return f"{self.release}+{self.model_sha256[:_HASH_DIGITS]}"

    @property
    def archive(self) -> str:
        """Name of the zip."""
        return f"{self.name}-{self.version}-{self.target}.zip"

    @property
    def authors_or_tool(self) -> tuple[str, ...]:
        """The authors; where nobody is named, the tool."""
        return self.authors or (TOOL,)

    @property
    def authors_with_mail(self) -> list[dict[str, str]]:
        """The authors or the tool as name and, where it is given, mail address."""
        found = [_AUTHOR.fullmatch(author) for author in self.authors_or_tool]
        parts = [{"name": one["name"], "email": one["mail"]} for one in found if one]
        return [{key: value for key, value in one.items() if value} for one in parts]


@dataclass(frozen=True)
class Choices:
    """What a user decides about a package.

    prefix: of names in C. release: MAJOR.MINOR.PATCH, default mcukd's own version. licence: SPDX expression.
    licence_text: of another licence than mcukd's own. authors, url: as in `Manifest`.
    """

    prefix: str
    release: str | None = None
    licence: str = LICENCE
    licence_text: str | None = None
    authors: tuple[str, ...] = ()
    url: str | None = None


def make_manifest(
    target: str, choices: Choices, model_sha256: str, sentence: str, paragraph: str
) -> Manifest:
    """Return the manifest of a package. Raises UserError for choices that some file could not state."""
    for author in choices.authors:
        if not _AUTHOR.fullmatch(author) or not author.isprintable():
            raise UserError(
                f"--author is '{author}', expected a name without commas, with or without a mail address: "
                "'Ada Lovelace <ada@example.org>'."
            )
    if choices.release is not None and not _RELEASE.fullmatch(choices.release):
        raise UserError(
            f"--package-version is '{choices.release}', expected MAJOR.MINOR.PATCH such as 1.4.0; the "
            "model's hash follows it by itself."
        )
    if not _SPDX.fullmatch(choices.licence):
        raise UserError(f"--licence is '{choices.licence}', expected an SPDX expression such as MIT.")
    if (choices.licence == LICENCE) != (choices.licence_text is None):
        raise UserError(
            f"--licence is {choices.licence}; give its text with --licence-file."
            if choices.licence_text is None
            else f"--licence-file is given, but --licence is {LICENCE}, whose text is known; name the other."
        )
    if choices.licence_text is not None and not choices.licence_text.strip():
        raise UserError("--licence-file is empty, expected the text of the licence.")
    if choices.url is not None and not (_URL.fullmatch(choices.url) and choices.url.isprintable()):
        raise UserError(
            f"--url is '{choices.url}', expected an address that begins with http:// or https://."
        )
    return Manifest(
        target,
        check_prefix(choices.prefix),
        choices.release or tool_release(__version__),
        model_sha256,
        choices.licence,
        choices.authors,
        choices.url or METHOD,
        sentence,
        paragraph,
    )


def tool_release(version: str) -> str:
    """Return MAJOR.MINOR.PATCH of a version of Python's form, such as 0.2.0rc1; what follows is left out."""
    return ".".join([*re.findall(r"\d+", version.partition("+")[0])[:3], "0", "0"][:3])
