"""The kernels on other processors: 64-bit ARM in each of its instruction sets, 32-bit ARM, and one with the other order of bytes, under qemu."""

import pathlib
import shutil
import subprocess

import pytest

from fable6c import build_kernels
from kernel_driver import DRIVER, OPTIONS

ROOT = pathlib.Path(__file__).parent.parent
ARM64 = "aarch64-linux-gnu-gcc"
PROCESSORS = {
    "arm64": ([ARM64], ["qemu-aarch64", "-cpu", "cortex-a53"]),
    "arm64 dotprod": ([ARM64, *build_kernels.DOTPROD], ["qemu-aarch64", "-cpu", "neoverse-n1"]),
    "arm64 i8mm": ([ARM64, *build_kernels.I8MM], ["qemu-aarch64", "-cpu", "max"]),
    "armhf": (["arm-linux-gnueabihf-gcc"], ["qemu-arm"]),
    "s390x": (["s390x-linux-gnu-gcc"], ["qemu-s390x"]),
}


def run(compiler, emulator, sources, program):
    for command in (compiler, emulator):
        if command and shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is missing; on Debian: apt install gcc-{compiler[0][:-4]} qemu-user")
    subprocess.run([*compiler, *OPTIONS, *map(str, sources), "-o", str(program), "-lm"], check=True, stderr=subprocess.PIPE)
    return subprocess.run([*emulator, str(program)], stdout=subprocess.PIPE, check=True).stdout


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """The sources, and what they print on this machine."""
    folder = tmp_path_factory.mktemp("driver")
    (folder / "driver.c").write_text(DRIVER)
    sources = [folder / "driver.c", ROOT / "fable6c" / "_kernels.c"]
    return sources, run(["cc"], [], sources, folder / "here")


@pytest.mark.slow
@pytest.mark.parametrize("processor", PROCESSORS)
def test_the_kernels_compute_the_same_bits(processor, driver, tmp_path):
    compiler, emulator = PROCESSORS[processor]
    sources, expected = driver
    assert run([*compiler, "-static"], emulator, sources, tmp_path / "there") == expected and expected.count(b"\n") == 5


# What _cpu.c finds on processors with more and more.
ASK = """
#include <stdio.h>
#include "_cpu.h"
int main(void)
{
    printf("%d%d%d%d\\n", cpu_supports("baseline"), cpu_supports("dotprod"), cpu_supports("i8mm"), cpu_supports("avx2"));
    return 0;
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("cpu, answers", [("cortex-a53", b"1000"), ("neoverse-n1", b"1100"), ("max", b"1110")])
def test_what_an_arm_processor_has_is_found(cpu, answers, tmp_path):
    (tmp_path / "ask.c").write_text(ASK)
    sources = [tmp_path / "ask.c", ROOT / "fable6c" / "_cpu.c"]
    assert run([ARM64, "-static"], ["qemu-aarch64", "-cpu", cpu], sources, tmp_path / "ask").strip() == answers
