"""The one base of errors meant for people."""


class Problem(Exception):
    """Bad input or bad use. Its text is one line that says what is wrong and what to do next; never a traceback."""
