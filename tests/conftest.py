"""Settings for all tests, made before NumPy is imported."""

import os
import signal

# OpenBLAS's threads wait by spinning: beside another busy process that made the NumPy reference up to fifty times slower.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A shell's background job has Ctrl-C ignored, and so have the programs that the tests start in it: they would never end.
signal.signal(signal.SIGINT, signal.default_int_handler)
