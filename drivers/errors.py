"""Errors of the devices, each a name a technician can act on. None of them is ever turned into a reading."""


class DriverError(Exception):
    """Base. The text is one line that says what is wrong and what to do next."""


class DeviceMissing(DriverError):
    """Nothing there: not plugged in, no such port, no such module."""


class DeviceLost(DriverError):
    """Was there and went away; open it again by its stable name."""


class NotReady(DriverError):
    """The device did not answer before its deadline."""


class Garbled(DriverError):
    """An answer came and cannot be trusted; it was thrown away and counted."""
