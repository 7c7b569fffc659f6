"""Settings for all tests, made before NumPy is imported."""

import os
import signal

# OpenBLAS's threads wait by spinning: beside another busy process that made the NumPy reference up to fifty times slower.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# `make test` must not change what the commands say: under make they leave out what to do next.
os.environ.pop("MAKELEVEL", None)

# A shell's background job has Ctrl-C ignored, and so have the programs that the tests start in it: they would never end.
signal.signal(signal.SIGINT, signal.default_int_handler)
