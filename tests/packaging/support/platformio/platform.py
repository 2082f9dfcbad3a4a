"""PlatformIO's platform `native`."""

from platformio.public import PlatformBase


class NativePlatform(PlatformBase):
    """This computer, which needs no tools of PlatformIO's."""
