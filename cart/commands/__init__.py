"""`cart` on the command line: one file a command, registered in `cart.__main__`.

Each command prints for people, or one JSON document with `--json`. Exit status: 0 fine,
1 a check failed, 2 bad use or bad input.
"""
