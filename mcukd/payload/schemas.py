"""Reading of schemas: the bundled ones and the users' own."""

from __future__ import annotations

from mcukd.config_files import ConfigFileType
from mcukd.errors import UserError
from mcukd.payload.coding import check_names
from mcukd.payload.layout import most_classes
from mcukd.payload.schema import OWN_VERSIONS, ResultsSection, Schema, SchemaField

SCHEMAS = ConfigFileType(
    name="payload",
    folder="payloads",
    document="docs/payload.md",
    sections={(): Schema, ("fields",): SchemaField, ("results",): ResultsSection},
)
DEFAULT = "period"


def load_schema(name_or_path: str) -> Schema:
    """Read a bundled schema by its name, or any by the path of its TOML file.

    Raises UserError, in one sentence, where there is none, the file is not as expected, its version is one of
    mcukd's own, or its payload has no room for the counts of its classes.
    """
    path = SCHEMAS.find(name_or_path)
    schema = SCHEMAS.check(path, Schema)
    if path not in SCHEMAS.bundled() and schema.version < OWN_VERSIONS:
        raise UserError(
            f"{path}: version is {schema.version}, but {OWN_VERSIONS} to 15 is expected of a schema of your "
            f"own: 1 to {OWN_VERSIONS - 1} are mcukd's."
        )
    try:
        most = most_classes(schema)
        check_names(schema.classes or ())
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if schema.classes and len(schema.classes) > most:
        raise UserError(
            f"{path}: classes has {len(schema.classes)} names, but {schema.bytes} bytes have room for "
            f"{most}; raise bytes, or lower the bits of other fields."
        )
    return schema


def bundled_schemas() -> list[Schema]:
    """Return the schemas that come with mcukd."""
    return [load_schema(path.stem) for path in SCHEMAS.bundled()]
