"""Settings for all tests, made before NumPy is imported."""

import os

# OpenBLAS's threads wait by spinning: beside another busy process that made the NumPy reference up to fifty times slower.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
