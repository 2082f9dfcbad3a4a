"""Toy student family outside mcukd: a linear classifier of each axis's mean over the window.

Everything it needs lies in this folder, and MCUKD_PLUGINS=toy_family registers it.
"""

from mcukd.models.families import FAMILIES, Family

FAMILIES.register(
    Family(
        "window-means",
        network="toy_family.network:NETWORK",
        training="toy_family.training:STUDENT",
        integers="toy_family.integers:INTEGERS",
        code="toy_family.code:CODE",
    )
)
