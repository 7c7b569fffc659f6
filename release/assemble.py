"""Everything that people download, in one folder: `make release`.

    python release/assemble.py --out dist/release                    # gathers what make has built
    python release/assemble.py --out dist/release --key ~/.ssh/id    # and signs the checksums
    python release/assemble.py --twice                               # builds all of it again elsewhere and compares

What could not be built here is left out and named, in NOTES.md and at the end. The same sources and tools give the same bytes; REPRODUCIBLE.txt
says for which files that was tried.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
VERSION = re.search(r'__version__ = "(.*)"', (ROOT / "fable6c" / "__init__.py").read_text(encoding="utf-8"))[1]
SIGNER = "fable6c"  # who signs, and for what, in ssh-keygen's words: -I and -n
EPOCH = 315532800  # 1980-01-01, the first day that a zip can say

# (what make is asked for, what comes out, what that is for). A target that fails is left out.
PARTS = [
    ("page", ["dist/fable6.html"], "the page"),
    ("dist", ["dist/*.whl", "dist/*.tar.gz"], "the Python package and its source"),
    ("wheels", ["dist/wheels/*.whl"], "the Python package for every Linux"),
    ("legacy", ["build/legacy/*.tar.gz"], "the program for 32-bit PCs"),
    ("windows", ["build/windows/*.zip"], "the program for Windows"),
    ("arm", ["build/arm/fable6c-arm64", "build/arm/fable6c-armv6"], "the programs for ARM"),
]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "dist" / "release", help="default: dist/release")
    parser.add_argument("--key", type=pathlib.Path, help="an OpenSSH key that signs SHA256SUMS; make release KEY=FILE")
    parser.add_argument("--twice", action="store_true", help="build a second time in another folder and compare")
    options = parser.parse_args(argv)
    # What would only fail after all that building.
    if options.key:
        signer(options.key)
    if options.twice:
        listed()
    notes({})
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}
    files, missing = built(ROOT, environment)
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    for name, data in files.items():
        (options.out / name).write_bytes(data)
    (options.out / f"fable6c-{VERSION}.cdx.json").write_text(bill_of_materials(files), encoding="utf-8")
    again = None
    if options.twice:
        again = compare(files, environment)
        (options.out / "REPRODUCIBLE.txt").write_text(again, encoding="utf-8")
    (options.out / "NOTES.md").write_text(notes(missing), encoding="utf-8")
    write_sums(options.out, options.key)
    site(options.out, environment)  # with these sums, and their signature, beside what they are of
    write_sums(options.out, options.key)
    print(f"\n{options.out}:")
    for path in sorted(options.out.iterdir()):
        print(f"  {path.stat().st_size:>10,}  {path.name}")
    for name, why in missing.items():
        print(f"left out: {name} ({why})")
    if again:
        print(again)
    if options.key:
        propose(options.key)
    else:
        print("SHA256SUMS is not signed: make release KEY=FILE signs it with an OpenSSH key")
    print("\nthe checklist of release/PLAN.md:", flush=True)
    if subprocess.run([sys.executable, str(ROOT / "release" / "checklist.py"), "--release", str(options.out)]).returncode != 0:
        raise SystemExit("release: an item of the checklist fails, so this is no release yet")


def built(root, environment):
    """({name: bytes}, {part: why it is missing}) of what make gives in that folder."""
    files, missing = {}, {}
    for target, patterns, words in PARTS:
        print(f"{root}: make {target}", flush=True)
        done = subprocess.run(["make", target], cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        found = [path for pattern in patterns for path in sorted(root.glob(pattern))]
        if done.returncode != 0 or not found:
            lines = [line for line in done.stdout.splitlines() if line.strip() and not line.startswith("make")]
            missing[f"{words}, make {target}"] = lines[-1] if lines else "nothing was made"
            continue
        files.update((path.name, steady(path)) for path in found)
    if any("-manylinux" in name for name in files):  # which serve this machine too, and older ones
        files = {name: data for name, data in files.items() if not re.search(r"-linux_\w+\.whl$", name)}
    for path in sorted((root / "release").glob("*.f6c")):
        files[path.name] = path.read_bytes()
    for name in ("FABLE.COM", "FABLE.TAP"):
        to = root / "build" / name
        command = [str(root / ".venv" / "bin" / "python"), "-m", "fable6c.z80", "build", "-o", str(to)]
        if subprocess.run(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
            files[name] = to.read_bytes()
        else:
            missing[name] = "pip install 'fable6c[z80]'"
    signers = root / "release" / "allowed_signers"
    if signers.exists():
        files[signers.name] = signers.read_bytes()
    return files, missing


def steady(path):
    """The bytes of a built file; those of a source archive without the day, the owner and the order of its making."""
    if not path.name.startswith("fable6c-") or not path.name.endswith(".tar.gz") or path.parent.name != "dist":
        return path.read_bytes()
    out = io.BytesIO()
    with tarfile.open(path) as before, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as after:
        for member in sorted(before.getmembers(), key=lambda member: member.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname, member.pax_headers = EPOCH, 0, 0, "", "", {}
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            after.addfile(member, before.extractfile(member) if member.isfile() else None)
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0) as file:
        file.write(out.getvalue())
    return packed.getvalue()


def compare(files, environment):
    """Build again, from a copy of the sources in a folder of another name; one line for each file."""
    with tempfile.TemporaryDirectory(prefix="fable6c-second-") as folder:
        root = pathlib.Path(folder) / "another place"
        for name in listed():
            if (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name)
        # The tools, which are pinned. Of Python's a copy: the package is installed into it, from the folder that ends with this.
        shutil.copytree(ROOT / ".venv", root / ".venv", symlinks=True)
        (root / "node_modules").symlink_to(ROOT / "node_modules")
        (root / "build").mkdir()
        for path in (ROOT / "build").glob("pywasm3-*.tar.gz"):  # the pinned download
            shutil.copy2(path, root / "build")
        second, _ = built(root, environment)
    lines = []
    for name, data in sorted(files.items()):
        same = name in second and second[name] == data
        lines.append(f"{'same bytes' if same else 'DIFFERS' if name in second else 'not built again'}  {name}")
        if not same and name in second:
            lines[-1] += f": {difference(name, data, second[name])}"
    return "Built twice, in two folders, with the same tools:\n" + "\n".join(lines) + "\n"


def listed():
    """The files of the sources: those that git knows."""
    try:
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise SystemExit(
            "release: TWICE=1 copies the files that git lists, and here git lists none; take a clone, or leave TWICE out"
        ) from None
    return list(filter(None, names.decode("utf-8").split("\0")))


def difference(name, first, second):
    """Which members of two archives are not alike, or how many bytes of two files."""
    if name.endswith((".whl", ".zip")):
        a, b = (zipfile.ZipFile(io.BytesIO(data)) for data in (first, second))
        names = [member for member in a.namelist() if member not in b.namelist() or a.read(member) != b.read(member)]
        return ", ".join(names) or "only in its dates or order"
    if name.endswith(".tar.gz"):
        a, b = (
            {member.name: file.extractfile(member).read() for member in file if member.isfile()}
            for file in (tarfile.open(fileobj=io.BytesIO(data)) for data in (first, second))
        )
        return ", ".join(sorted(member for member in {*a, *b} if a.get(member) != b.get(member))) or "only in its dates or order"
    return f"{sum(x != y for x, y in zip(first, second)) + abs(len(first) - len(second)):,} bytes"


def bill_of_materials(files):
    """CycloneDX 1.5: the files of a release, what is inside them, and what they are built or run with, each with version and licence."""

    def component(name, version, licence, scope, purl, kind="library"):
        return {"type": kind, "name": name, "version": version, "scope": scope, "licenses": [{"license": {"id": licence}}], "purl": purl}

    wasm3 = re.search(r'VERSION = "(.*)"', (ROOT / "asengine" / "host" / "fetch_wasm3.py").read_text(encoding="utf-8"))
    wasm3_version = wasm3[1] if wasm3 else "0.5.0"
    parts = [component("wasm3", wasm3_version, "MIT", "required", f"pkg:pypi/pywasm3@{wasm3_version}")]
    package = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    inside = {"z80-emulator": "MIT"}
    licences = {"assemblyscript": "Apache-2.0", "binaryen": "Apache-2.0", "acorn": "MIT", "prettier": "MIT", "wabt": "Apache-2.0", **inside}
    for name, version in sorted(package.items()):
        parts.append(component(name, version, licences[name], "required" if name in inside else "excluded", f"pkg:npm/{name}@{version}"))
    for name, version in locked(ROOT / "requirements" / "run.txt"):
        parts.append({"type": "library", "name": name, "version": version, "scope": "optional", "purl": f"pkg:pypi/{name}@{version}"})
    parts += [file_component(name, data) for name, data in sorted(files.items())]
    whole = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "fable6c", "version": VERSION, "licenses": [{"license": {"id": "MIT"}}]}},
        "components": parts,
    }
    return json.dumps(whole, indent=1) + "\n"


# What the linker puts into a file from the system that builds it. No package names the version.
LINKED = [
    (r"i586\.tar\.gz$", "musl", "MIT"),
    (r"^fable6c-arm", "glibc", "LGPL-2.1-or-later"),
    (r"^fable6c-arm", "libgcc", "GPL-3.0-or-later WITH GCC-exception-3.1"),
]


def file_component(name, data):
    """A file of the release; within it the libraries that it carries."""
    kind = "machine-learning-model" if name.endswith(".f6c") else "file"
    part = {"type": kind, "name": name, "version": VERSION, "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(data).hexdigest()}]}
    part["licenses"] = [{"license": {"id": "MIT"}}]
    carried = [
        {"type": "library", "name": library, "licenses": [{"expression": licence}]}
        for pattern, library, licence in LINKED
        if re.search(pattern, name)
    ]
    if name.endswith(".whl"):
        with zipfile.ZipFile(io.BytesIO(data)) as wheel:
            for member in wheel.namelist():
                if ".libs/" in member and "/libgomp" in member:
                    licence = [{"expression": "GPL-3.0-or-later WITH GCC-exception-3.1"}]
                    digest = [{"alg": "SHA-256", "content": hashlib.sha256(wheel.read(member)).hexdigest()}]
                    carried.append({"type": "library", "name": "libgomp", "licenses": licence, "hashes": digest})
                elif ".libs/" in member and not member.endswith("/"):
                    raise SystemExit(
                        f"release: {name} carries {member}, of which the bill of materials knows no licence; see file_component"
                    )
    if carried:
        part["components"] = carried
    return part


def locked(path):
    """(name, version) of a lock file; of a package with several, the newest Python's."""
    found = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    return sorted(found.items())


def notes(missing):
    """What changed, out of CHANGELOG.md, and what this release lacks."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    section = re.search(rf"^## \[{re.escape(VERSION)}\].*?\n(.*?)(?=^## \[|^\[[\d.]+\]: )", changelog, re.MULTILINE | re.DOTALL)
    if not section:
        raise SystemExit(f"release: CHANGELOG.md has no section [{VERSION}]; write it, or set __version__ right")
    lines = [f"# Fable-6 Nano {VERSION}", "", section[1].strip(), ""]
    if missing:
        lines += ["## Not in this build", "", *(f"- {name}: {why}" for name, why in missing.items()), ""]
    lines += ["## Check it", "", "```", "sha256sum -c SHA256SUMS", verify_command(), "```", ""]
    return "\n".join(lines)


def verify_command():
    return f"ssh-keygen -Y verify -f allowed_signers -I {SIGNER} -n {SIGNER} -s SHA256SUMS.sig < SHA256SUMS"


def site(out, environment):
    """The site with these very files to download, packed; it does not hold itself."""
    with tempfile.TemporaryDirectory(prefix="fable6c-site-") as folder:
        to = pathlib.Path(folder) / "fable6c-site"
        command = [sys.executable, str(ROOT / "site" / "make_site.py"), "--files", str(out), "--out", str(to)]
        subprocess.run(command, check=True, env=environment)
        with zipfile.ZipFile(out / f"fable6c-site-{VERSION}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path in sorted(to.rglob("*")):
                if path.is_file():
                    entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (1980, 1, 1, 0, 0, 0))
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    entry.external_attr = 0o644 << 16
                    archive.writestr(entry, path.read_bytes())


def write_sums(out, key=None):
    """SHA256SUMS of all files there; signed, where there is a key."""
    names = sorted(path.name for path in out.iterdir() if not path.name.startswith("SHA256SUMS"))
    lines = [f"{hashlib.sha256((out / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (out / "SHA256SUMS").write_text("".join(lines), encoding="ascii")
    if key:
        sign(out, key)


def sign(out, key):
    """Sign SHA256SUMS and check the signature with the very key's public half, by the command that the site gives."""
    (out / "SHA256SUMS.sig").unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", SIGNER, str(out / "SHA256SUMS")], check=True)
    with tempfile.TemporaryDirectory() as folder:
        signers = pathlib.Path(folder) / "allowed_signers"
        signers.write_text(signer(key) + "\n", encoding="ascii")
        command = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", SIGNER, "-n", SIGNER, "-s", str(out / "SHA256SUMS.sig")]
        with open(out / "SHA256SUMS", "rb") as sums:
            done = subprocess.run(command, stdin=sums, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise SystemExit(f"release: the signature does not verify: {done.stdout.strip()}")


def signer(key):
    """The line of allowed_signers for a key."""
    if shutil.which("ssh-keygen") is None:
        raise SystemExit("release: KEY signs with ssh-keygen, which is missing; on Debian or Ubuntu: apt install openssh-client")
    if not key.is_file():
        raise SystemExit(f"release: {key}: there is no such key; give the private key's file, or none to leave the release unsigned")
    done = subprocess.run(["ssh-keygen", "-y", "-f", str(key)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    public = done.stdout.split()
    if done.returncode != 0 or len(public) < 2:
        raise SystemExit(f"release: {key} is no private key that ssh-keygen reads: {(done.stderr.strip().splitlines() or ['no word'])[-1]}")
    return f'{SIGNER} namespaces="{SIGNER}" {public[0]} {public[1]}'


def propose(key):
    """Say what release/allowed_signers lacks."""
    committed, line = ROOT / "release" / "allowed_signers", signer(key)
    if not committed.exists() or line.split()[-1] not in committed.read_text(encoding="ascii"):
        print(f"release/allowed_signers lacks this key; commit the line: {line}")


if __name__ == "__main__":
    main()
