"""Builds the wheels for Linux: glibc 2.17 or newer (manylinux2014) and musl (musllinux), on x86-64 and on 64-bit ARM; one wheel serves all Pythons
from 3.9 on. `make wheels` runs it.

    .venv/bin/python release/wheels.py build/wheels/fable6c-0.1.0.tar.gz dist/wheels [x86_64-glibc …]

gcc compiles (on Debian: gcc, gcc-aarch64-linux-gnu), because the kernels are made for it. zig links, because it has the symbols of every version of glibc, and
musl. auditwheel puts OpenMP's run-time library into the wheel, as GitHub's workflow has it do, and checks the result.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from typing import NamedTuple, Optional

import ziglang

FOLDER = pathlib.Path("build/wheels").absolute()
LARGEST = 3_000_000  # bytes of a wheel
ZIG = pathlib.Path(ziglang.__file__).parent


class OpenMP(NamedTuple):
    """A wheel of PyPI that carries libgomp, GCC's run-time library, for a platform: there is none that has nothing else."""

    requirement: str
    sha256: str


class Target(NamedTuple):
    processor: str
    compiler: str
    zig: str
    platform: str  # of auditwheel
    libgomp: Optional[OpenMP]  # None: no wheel has one, and the trainer has one thread


TARGETS = {
    "x86_64-glibc": Target(
        "x86_64", "gcc", "x86_64-linux-gnu.2.17", "manylinux2014_x86_64",
        OpenMP("pykdtree==1.4.3", "08d63ee594b5cd7524bfa37ab857304a775ed04b7431ed4b48169ad664d694d8"),
    ),
    "aarch64-glibc": Target(
        "aarch64", "aarch64-linux-gnu-gcc", "aarch64-linux-gnu.2.17", "manylinux2014_aarch64",
        OpenMP("pykdtree==1.4.3", "8ace71f89edb21dc24c5d6c9e952638c7f2d229d75701a39e633f30b08668b63"),
    ),
    "x86_64-musl": Target(
        "x86_64", "gcc", "x86_64-linux-musl", "musllinux_1_2_x86_64",
        OpenMP("pykdtree==1.4.3", "6c1fa063c2c7387dccd7553b1b677c05f7e762e9a7cfda35f5bb053ee6acea59"),
    ),
    "aarch64-musl": Target("aarch64", "aarch64-linux-gnu-gcc", "aarch64-linux-musl", "musllinux_1_2_aarch64", None),
}  # fmt: skip

# distutils calls one program to compile and to link. OpenMP's option means other things to the two, or nothing where there is no libgomp.
# zig calls musl by another name than its systems and auditwheel do.
COMPILER = """#!/bin/sh
case " $* " in
*" -c "*) tool='{compile}' openmp='{openmp}' ;;
*) tool='{link}' openmp='{libgomp}' ;;
esac
for argument; do
    shift
    [ "$argument" = -fopenmp ] && argument=$openmp
    [ "$before" = -o ] && output=$argument
    before=$argument
    set -- "$@" "$argument"
done
$tool "$@" {libgcc} || exit
[ "$openmp" = '{openmp}' ] || patchelf --replace-needed libc.so libc.musl-{processor}.so.1 "$output"
"""


def run(*command: str, **options: object) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}:\n{done.stdout[-3000:]}")
    return done.stdout


def libgomp(target: Target, folder: pathlib.Path) -> str:
    """The path of the target's libgomp, "" if there is none."""
    if target.libgomp is None:
        return ""
    requirements = folder / "libgomp.txt"
    requirements.write_text(f"{target.libgomp.requirement} --hash=sha256:{target.libgomp.sha256}\n")
    run(
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.12", f"--platform={target.platform}",
        "--require-hashes", f"--requirement={requirements}", f"--dest={folder}",
    )  # fmt: skip
    (carrier,) = folder.glob("*.whl")
    with zipfile.ZipFile(carrier) as archive:
        (name,) = [name for name in archive.namelist() if "/libgomp-" in name]
        path = folder / pathlib.PurePath(name).name
        path.write_bytes(archive.read(name))
    return str(path)


def compiler(target: Target, folder: pathlib.Path) -> pathlib.Path:
    """A program that compiles with gcc and links with zig."""
    compile = target.compiler
    if "musl" in target.zig:  # with musl's own headers
        include = ZIG / "lib" / "libc" / "include"
        own = run(target.compiler, "-print-file-name=include").strip()
        places = (
            include / f"{target.processor}-linux-musl",
            include / "generic-musl",
            include / f"{target.processor}-linux-any",
            include / "any-linux-any",
            own,
        )
        compile += " -nostdinc" + "".join(f" -isystem {place}" for place in places)
    runtime = libgomp(target, folder)
    program = folder / "cc"
    program.write_text(
        COMPILER.format(
            compile=compile, openmp="-fopenmp" if runtime else "-fopenmp-simd", link=f"{sys.executable} -m ziglang cc -target {target.zig} -s", libgomp=runtime or "-s",
            libgcc=run(target.compiler, "-print-libgcc-file-name").strip(),
            processor=target.processor,
        )
    )  # fmt: skip
    program.chmod(0o755)
    return program


def build(name: str, source: pathlib.Path, destination: pathlib.Path) -> pathlib.Path:
    """The target's wheel, in `destination`."""
    target, folder = TARGETS[name], FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tarfile.open(source) as archive:
        archive.extractall(folder)
    (unpacked,) = folder.glob("fable6c-*")
    environment = {
        "PATH": f"{pathlib.Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "CC": str(compiler(target, folder)),
        "_PYTHON_HOST_PLATFORM": f"linux-{target.processor}",
        "CFLAGS": f"-I{sysconfig.get_path('include')}",
    }
    if "SOURCE_DATE_EPOCH" in os.environ:  # the day of the files in the wheel: make release
        environment["SOURCE_DATE_EPOCH"] = os.environ["SOURCE_DATE_EPOCH"]
    run(sys.executable, "setup.py", "-q", "bdist_wheel", cwd=unpacked, env=environment)
    (wheel,) = (unpacked / "dist").glob("*.whl")
    repaired = folder / "repaired"
    # In `folder` is libgomp, and this machine's own libraries are none of the wheel's. auto: by name it knows only the platforms of this machine's processor.
    repair = ("repair", "--plat=auto", f"--ldpaths={folder}", f"--wheel-dir={repaired}")
    said = run(sys.executable, "-m", "auditwheel", *repair, str(wheel), env=environment)
    (wheel,) = repaired.glob("*.whl")
    if target.platform not in wheel.name:
        sys.exit(f"{wheel.name} is not for {target.platform}:\n{said}")
    print(run(sys.executable, "-m", "auditwheel", "show", f"--ldpaths={folder}", str(wheel)).strip())
    if wheel.stat().st_size > LARGEST:
        sys.exit(f"{wheel.name} has {wheel.stat().st_size:,} bytes, more than {LARGEST:,}")
    destination.mkdir(parents=True, exist_ok=True)
    return pathlib.Path(shutil.copy(wheel, destination))


def main(arguments: list[str]) -> None:
    source, destination, *names = arguments
    for program in (TARGETS[name].compiler for name in names or TARGETS):  # before the first wheel takes its minute
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing; on Debian: apt install gcc gcc-aarch64-linux-gnu libc6-dev-arm64-cross")
    for name in names or TARGETS:
        wheel = build(name, pathlib.Path(source), pathlib.Path(destination))
        print(f"{wheel}: {wheel.stat().st_size:,} bytes", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
