"""Firmware images: ELF files as a flash program puts them on a chip, with their symbols."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from pathlib import Path

from mcukd.errors import UserError


@dataclass(frozen=True)
class Image:
    """An image. segments: (address, bytes) to be written into flash. symbols: names and their addresses."""

    path: Path
    segments: tuple[tuple[int, bytes], ...]
    symbols: dict[str, int]

    def where(self, address: int) -> str:
        """Return an address with the function it lies in: "0x000012c4 (port_init+0x1e)"."""
        functions = sorted((at & ~1, name) for name, at in self.symbols.items() if not name.startswith("$"))
        place = bisect.bisect_right(functions, (address, "\U0010ffff")) - 1
        if place < 0:
            return f"{address:#010x}"
        at, name = functions[place]
        return f"{address:#010x} ({name}+{address - at:#x})"


def read_image(path: Path) -> Image:
    """Read an ELF file; UserError where it is none for a 32-bit Arm."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            if elf["e_machine"] != "EM_ARM":
                raise UserError(
                    f"{path}: the machine is {elf['e_machine']}, but an image for Arm is expected."
                )
            segments = tuple(
                (int(one["p_paddr"]), bytes(one.data()))
                for one in elf.iter_segments()
                if one["p_type"] == "PT_LOAD" and one["p_filesz"]
            )
            table = elf.get_section_by_name(".symtab")
            symbols = (
                {one.name: int(one["st_value"]) for one in table.iter_symbols() if one.name}
                if isinstance(table, SymbolTableSection)
                else {}
            )
    except ELFError as error:
        raise UserError(f"{path}: no ELF file ({error}), but a firmware image is expected.") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    return Image(path, segments, symbols)
