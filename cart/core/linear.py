"""A few linear equations, solved."""

from __future__ import annotations

from collections.abc import Sequence


def solve(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """x of matrix · x = right, n × n, by Gauss with row pivots. Raises ZeroDivisionError where no one x does it."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    n = len(rows)
    scale = max(abs(value) for row in matrix for value in row)
    for column in range(n):
        pivot = max(range(column, n), key=lambda row: abs(rows[row][column]))
        if abs(rows[pivot][column]) <= 1e-12 * scale:
            raise ZeroDivisionError("the equations do not say it")
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for row in range(column + 1, n):
            factor = rows[row][column] / rows[column][column]
            rows[row] = [a - factor * b for a, b in zip(rows[row], rows[column], strict=True)]
    found = [0.0] * n
    for row in reversed(range(n)):
        known = sum(rows[row][later] * found[later] for later in range(row + 1, n))
        found[row] = (rows[row][n] - known) / rows[row][row]
    return found


def least_squares(rows: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """The coefficients with which rows · x is nearest to right. Raises ZeroDivisionError where several are."""
    n = len(rows[0])
    normal = [[sum(row[i] * row[j] for row in rows) for j in range(n)] for i in range(n)]
    return solve(normal, [sum(row[i] * value for row, value in zip(rows, right, strict=True)) for i in range(n)])
