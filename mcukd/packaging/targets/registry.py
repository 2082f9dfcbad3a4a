"""Registry of the toolchains that models are packaged for; plugins register others."""

from __future__ import annotations

from mcukd.packaging.targets.arduino import ARDUINO
from mcukd.packaging.targets.cmake import CMAKE
from mcukd.packaging.targets.esp_idf import ESP_IDF
from mcukd.packaging.targets.platformio import PLATFORMIO
from mcukd.packaging.targets.target import Target
from mcukd.packaging.targets.zephyr import ZEPHYR
from mcukd.plugins import Registry

TARGETS: Registry[Target] = Registry("target", (ARDUINO, ZEPHYR, PLATFORMIO, ESP_IDF, CMAKE))
