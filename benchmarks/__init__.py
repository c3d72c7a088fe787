"""Figures are of one core: OpenBLAS's own threads would only wait for each other on arrays as small as the cart's, and
waiting counts as CPU time. It reads this once, when NumPy is imported."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
