"""Packages of a model for the toolchains that people use: Arduino, Zephyr, PlatformIO, ESP-IDF, CMake."""
