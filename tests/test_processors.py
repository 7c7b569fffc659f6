"""The kernels in plain C on other processors: 64-bit and 32-bit ARM, and one with the other order of bytes, under qemu."""

import pathlib
import shutil
import subprocess

import pytest

from kernel_driver import DRIVER, OPTIONS

ROOT = pathlib.Path(__file__).parent.parent
PROCESSORS = {
    "arm64": ("aarch64-linux-gnu-gcc", "qemu-aarch64"),
    "armhf": ("arm-linux-gnueabihf-gcc", "qemu-arm"),
    "s390x": ("s390x-linux-gnu-gcc", "qemu-s390x"),
}


@pytest.mark.slow
@pytest.mark.parametrize("processor", PROCESSORS)
def test_the_kernels_compute_the_same_bits(processor, tmp_path):
    compiler, emulator = PROCESSORS[processor]
    if shutil.which(compiler) is None or shutil.which(emulator) is None:
        pytest.skip(f"needs {compiler} and {emulator}; on Debian: apt install gcc-{compiler[:-4]} qemu-user")
    (tmp_path / "driver.c").write_text(DRIVER)
    sources = [str(tmp_path / "driver.c"), str(ROOT / "fable6c" / "_kernels.c")]
    outputs = []
    for command, run in [(["cc"], []), ([compiler, "-static"], [emulator])]:
        program = tmp_path / command[0]
        subprocess.run([*command, *OPTIONS, *sources, "-o", str(program), "-lm"], check=True, stderr=subprocess.PIPE)
        outputs.append(subprocess.run([*run, str(program)], stdout=subprocess.PIPE, check=True).stdout)
    assert outputs[0] == outputs[1] and outputs[0].count(b"\n") == 3
