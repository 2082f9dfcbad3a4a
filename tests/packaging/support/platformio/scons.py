"""PlatformIO's package tool-scons: SCons of the same Python."""

from SCons.Script import main

main()
