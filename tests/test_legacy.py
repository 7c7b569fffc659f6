"""build/legacy/fable6c and fable6c-aot, the programs for old PCs: their instructions, size, bits, archives; and faults, for them and for
build/fable6c and fable6c-aot.

The whole of test_native.py runs with them too. Skipped where `make legacy` has not built them.
"""

import hashlib
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tarfile

import pytest

import make_golden
from programs import EXPECTED, MODEL, rejected, younger_instructions

ROOT = pathlib.Path(__file__).parent.parent
LEGACY, COMPILED = ROOT / "build" / "legacy" / "fable6c", ROOT / "build" / "legacy" / "fable6c-aot"
NATIVE, AOT = ROOT / "build" / "fable6c", ROOT / "build" / "fable6c-aot"
PROGRAMS = [
    pytest.param(path, id=name, marks=pytest.mark.skipif(not path.exists(), reason=f"{path.name} is not built: make {target}"))
    for name, path, target in [
        ("native", NATIVE, "native"),
        ("aot", AOT, "aot"),
        ("i586", LEGACY, "legacy"),
        ("i586-aot", COMPILED, "legacy AOT=1"),
    ]
]
OLD_PCS = PROGRAMS[2:]
needs_legacy = pytest.mark.skipif(not LEGACY.exists(), reason="build/legacy/fable6c is not built: make legacy")


def run(program, *arguments, **options):
    return subprocess.run([str(program), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


# The program itself


@pytest.mark.parametrize("program", OLD_PCS)
@pytest.mark.skipif(shutil.which("objdump") is None, reason="needs objdump")
def test_no_instruction_is_younger_than_the_pentium(program):
    assert younger_instructions(program) == []


@pytest.mark.skipif(shutil.which("objdump") is None or not NATIVE.exists(), reason="needs objdump and build/fable6c")
def test_the_search_for_younger_instructions_can_fail():
    assert younger_instructions(NATIVE) != []


@pytest.mark.parametrize("program", OLD_PCS)
def test_it_is_static_32_bit_and_small(program):
    content = program.read_bytes()
    assert content[:6] == b"\x7fELF\x01\x01" and content[0x12:0x14] == b"\x03\0"  # 32 bits, little-endian, i386
    assert len(content) <= 200 * 1024
    program_headers, count = int.from_bytes(content[0x1C:0x20], "little"), content[0x2C]
    kinds = [content[program_headers + 32 * i] for i in range(count)]
    assert 1 in kinds and not {2, 3} & set(kinds)  # loaded; no dynamic linking, no interpreter


@needs_legacy
def test_64_bit_arithmetic(tmp_path):
    """legacy_int64.c against the compiler's own 64-bit arithmetic, on this machine."""
    compiler = shutil.which("cc")
    if compiler is None or os.uname().machine != "x86_64":
        pytest.skip("needs a C compiler on x86-64")
    (tmp_path / "main.c").write_text(
        r"""
        #include <stdint.h>
        #include <stdio.h>
        uint64_t udiv(uint64_t, uint64_t), umod(uint64_t, uint64_t); int64_t sdiv(int64_t, int64_t), smod(int64_t, int64_t);
        int ctz(uint64_t), popcount(uint64_t);
        int main(void)
        {
            uint64_t edges[] = {1, 2, 3, 10, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x100000001, 0x1ffffffff,
                                0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffffffe, 0xffffffffffffffff, 0, 0, 0, 0, 0, 0};
            uint64_t seed = 88172645463325252u, checked = 0;
            for (int round = 0; round < 500; round++) {
                for (int i = 14; i < 20; i++) seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17, edges[i] = (seed >> (round % 61)) | 1;
                for (int i = 0; i < 20; i++)
                    for (int j = 0; j < 20; j++, checked++) {
                        uint64_t n = edges[i], d = edges[j];
                        if (udiv(n, d) != n / d || umod(n, d) != n % d) return printf("%llu / %llu\n", (long long)n, (long long)d), 1;
                        if (ctz(n) != __builtin_ctzll(n) || popcount(n) != __builtin_popcountll(n)) return 1;
                        if (n == (uint64_t)INT64_MIN && d == (uint64_t)-1) continue;
                        if (sdiv((int64_t)n, (int64_t)d) != (int64_t)n / (int64_t)d || smod((int64_t)n, (int64_t)d) != (int64_t)n % (int64_t)d) return 2;
                    }
            }
            return checked != 200000;
        }
        """
    )
    names = {
        "__udivmoddi4": "udivmod",
        "__udivdi3": "udiv",
        "__umoddi3": "umod",
        "__divdi3": "sdiv",
        "__moddi3": "smod",
        "__ctzdi2": "ctz",
        "__popcountsi2": "popcount32",
        "__popcountdi2": "popcount",
    }
    renamed = [f"-D{name}={plain}" for name, plain in names.items()]
    program = tmp_path / "int64"
    subprocess.run(
        [compiler, "-O1", *renamed, ROOT / "asengine" / "host" / "legacy_int64.c", tmp_path / "main.c", "-o", program], check=True
    )
    assert run(program).returncode == 0


# The same bits


@pytest.mark.parametrize("program", OLD_PCS)
@pytest.mark.parametrize("cpu", [None, pytest.param("486", marks=pytest.mark.slow), "pentium", "pentium2", "pentium3"])
def test_the_same_bits_as_everywhere(program, cpu):
    if cpu and shutil.which("qemu-i386") is None:
        pytest.skip("qemu-i386 is missing; on Debian: apt install qemu-user")
    text = make_golden.TEXT.read_bytes()
    command = ["qemu-i386", "-cpu", cpu, program] if cpu else [program]
    beginning = text if cpu is None else text[:600]  # emulation is slow
    ours = run(*command, MODEL, "--selftest", "-p", "-", input=beginning)
    assert ours.returncode == 0, ours.stderr
    if cpu is None:
        assert ours.stdout.decode().splitlines()[-1] == f"selftest {EXPECTED['all_digests']}"
    elif NATIVE.exists():
        assert ours.stdout == run(NATIVE, MODEL, "--selftest", "-p", "-", input=beginning).stdout
    lines = [line.split() for line in ours.stdout.decode().splitlines()[:-1]]
    assert len(lines) > 50
    for position, _, digest in lines:
        assert digest == EXPECTED["digests"].get(position, digest)


@pytest.mark.parametrize("program", OLD_PCS)
@pytest.mark.slow
def test_all_tests_of_the_native_program(program):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_native.py"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "FABLE6C_PROGRAM": str(program)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout.decode()
    assert re.search(r"[1-9]\d* passed", done.stdout.decode())


# The archive


@pytest.mark.parametrize("program", OLD_PCS)
def test_the_archive_unpacks_and_runs(program, tmp_path):
    for name in ("fable6c.wasm", "fable6c-wasi.wasm"):
        if not (ROOT / "asengine" / "build" / name).exists():
            pytest.skip("needs the engine: make wasm")
    name = program.name + "-i586"
    (tmp_path / "build").mkdir()
    shutil.copy(program, tmp_path / "build")
    archive = tmp_path / "build" / f"{name}.tar.gz"
    digests = []
    for _ in range(2):
        command = ["sh", "asengine/host/legacy_archive.sh", MODEL, str(tmp_path / "build"), program.name]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        digests.append(hashlib.sha256(archive.read_bytes()).digest())
    assert digests[0] == digests[1]
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        assert all(member.name.split("/")[0] == name and (member.isfile() or member.isdir()) for member in members)
        tar.extractall(tmp_path)
    folder = tmp_path / name
    assert {"fable6c", "fable6c.wasm", "fable6c-wasi.wasm", "model.f6c", "README.txt", "SHA256SUMS", "LICENSE"} <= set(os.listdir(folder))
    assert (folder / "LICENSE.wasm3").exists() == (program == LEGACY)
    assert (folder / "fable6c").read_bytes() == program.read_bytes()
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    story = EXPECTED["stories"][0]
    readme = (folder / "README.txt").read_text(encoding="ascii")
    shown = re.findall(r"^ +(\./fable6c .*?)(?:  .*)?$", readme, re.M)
    assert len(shown) == 4
    for line in shown:
        done = subprocess.run(["sh", "-c", line], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 0 and done.stderr == b"" and done.stdout
    done = run(folder / "fable6c", "model.f6c", "-p", EXPECTED["prompt"], "-n", "200", "-t", "0", cwd=folder)
    assert done.stdout.decode() == EXPECTED["prompt"] + story["text"] + "\n"


# Faults that test_native.py leaves to this file


def limit_memory(kib):
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (kib * 1024, kib * 1024))


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_model_larger_than_memory(program):
    """Whatever the limit, it is a story or one line, never a crash. Somewhere in between the model is what does not fit."""
    seen = set()
    for kib in range(1000, 12000, 500):
        done = run(program, MODEL, "-p", "x", "-n", "3", preexec_fn=limit_memory(kib))
        if done.returncode == 0:
            seen.add("story")
        elif not done.stderr.startswith(b"fable6c: "):
            assert "story" not in seen and kib < 6000 and done.returncode in (127, -11, -9), (
                done
            )  # the system could not load the program, or its libraries, at all
        else:
            line = rejected(done, 1)
            assert re.search("needs [0-9]+ KiB of memory|not enough memory|memory allocation failed", line), line
            seen.add("line")
    assert seen == {"story", "line"}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("locale", ["C", "POSIX", "de_DE.ISO-8859-1", ""])
def test_a_terminal_without_utf8(program, locale):
    """The text is the same bytes on every machine; the locale is never asked."""
    arguments = [MODEL, "-p", "Käthe", "-n", "20"]
    plain = run(program, *arguments).stdout
    assert plain.startswith("Käthe".encode())
    environment = {"LANG": locale, "LC_ALL": locale, "TERM": "dumb"}
    assert run(program, *arguments, env=environment).stdout == plain
    assert run(program, *arguments, env={}).stdout == plain
