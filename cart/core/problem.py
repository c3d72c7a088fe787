"""The one base of errors meant for people, and what a decoder raises of input that nobody vouches for."""

import msgspec

UNREADABLE_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Not JSON or not the type asked for, not text, nested deeper than a decoder goes."""


class Problem(Exception):
    """Bad input or bad use. Its text is one line that says what is wrong and what to do next; never a traceback.

    What it quotes of the input is escaped where a terminal or a log would act on it.
    """

    def __str__(self) -> str:
        return harmless(super().__str__())


def harmless(text: str) -> str:
    """With everything escaped that isn't printed, but ends of lines."""
    return "".join(sign if sign.isprintable() or sign == "\n" else ascii(sign)[1:-1] for sign in text)
