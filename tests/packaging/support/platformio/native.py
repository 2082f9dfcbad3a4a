"""Build script of PlatformIO's platform `native`: this computer's own compiler."""

from SCons.Script import AlwaysBuild, Default, DefaultEnvironment

environment = DefaultEnvironment()
program = environment.BuildProgram()
AlwaysBuild(
    environment.Alias("exec", program, environment.VerboseAction('"$BUILD_DIR/$PROGNAME"', "Executing"))
)
Default([program])
