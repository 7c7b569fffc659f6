"""`make release` and the checklist: the plan names the checks that run, checksums are signed and verified, archives are steady."""

import importlib.util
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import types
import zipfile

import pytest

import make_golden

ROOT = pathlib.Path(__file__).parent.parent


def load(name):
    specification = importlib.util.spec_from_file_location(f"release_{name}", ROOT / "release" / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


assemble, checklist, transcripts = load("assemble"), load("checklist"), load("transcripts")


def test_the_plan_names_the_checks_that_run():
    plan = (ROOT / "release" / "PLAN.md").read_text(encoding="utf-8")
    part = plan.split("## The delayed-release checklist")[1]
    rows = re.findall(r"^\| ([A-Z][^|]+) \| [^|]+ \|$", part, re.MULTILINE)
    assert rows == list(checklist.CHECKS)


QUICK = ["It cannot phone home", "It fits on a floppy disk", "No weight holds an extreme opinion", "Nobody has tampered with it"]
QUICK += [
    "It has confessed its prejudices",
    "It minds its language, or owns up",
    "All parties agree what year it is",
    "The public has been told the truth",
]


@pytest.mark.parametrize("title", QUICK)
def test_a_check_passes(title):
    assert checklist.CHECKS[title](types.SimpleNamespace(release=ROOT / "nowhere")) is True


@pytest.mark.slow
@pytest.mark.parametrize("title", [title for title in checklist.CHECKS if title not in QUICK])
def test_a_longer_check_passes(title):
    assert checklist.CHECKS[title](types.SimpleNamespace(release=ROOT / "nowhere")) is True


def test_the_checks_can_fail(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  a.txt\n")
    options = types.SimpleNamespace(release=tmp_path)
    assert "changed: a.txt" in checklist.nothing_else(options)
    (tmp_path / "b.txt").write_text("b")
    assert "b.txt" in checklist.nothing_else(options)

    root = tmp_path / "root"
    for name in ("release", "docs", "asengine/prebuilt", "fable6c"):
        (root / name).mkdir(parents=True)
    shutil.copy(make_golden.MODEL, root / "release" / "small.f6c")
    shutil.copy(make_golden.MODEL, root / "release" / "micro.f6c")
    (root / "release" / "SHA256SUMS").write_text(f"{'0' * 64}  small.f6c\n{'0' * 64}  micro.f6c\n")
    (root / "release" / "small.txt").write_text("--- seed 1\nA dog.\n--- seed 4\nTom hated the dog.\n")
    (root / "release" / "README.md").write_text("`small`, seed 1")
    (root / "release" / "small.measured.json").write_text('{"score": {"bits_per_char": 0.5}}')
    (root / "docs" / "announcement.md").write_text("It is good.")
    module = b"\0asm\x01\0\0\0" + bytes([1, 1, 0, 2, 1, 0])
    (root / "asengine" / "prebuilt" / "fable6c.wasm").write_bytes(module)
    for name, text in {"package.json": '{"version": "9"}', "CITATION.cff": "version: 8\n", "CHANGELOG.md": "## [7]\n"}.items():
        (root / name).write_text(text)
    (root / "release" / "about.toml").write_text("version = {6}")
    monkeypatch.setattr(checklist, "ROOT", root)
    monkeypatch.setattr(checklist, "FLOPPY", 10)
    assert "import section" in checklist.imports_nothing(options)
    assert "bytes" in checklist.fits_on_a_floppy(options)
    assert "not what" in checklist.untouched(options)
    assert "seed 4 says 'hated'" in checklist.clean_words(options)
    assert checklist.one_version(options).count(" has ") == 4
    assert "lacks" in checklist.truth(options)


def test_one_version():
    """One place; the others follow it."""
    assert assemble.VERSION == importlib.import_module("fable6c").__version__
    assert checklist.one_version(None) is True


def test_notes_are_the_changelogs():
    text = assemble.notes({"the program for ARM, make arm": "a compiler for ARM is missing"})
    assert text.startswith(f"# Fable-6 Nano {assemble.VERSION}\n") and "### Added" in text
    assert "- the program for ARM, make arm: a compiler for ARM is missing" in text and assemble.verify_command() in text
    page = (ROOT / "docs" / "download.md").read_text(encoding="utf-8")
    assert assemble.verify_command() in page


@pytest.mark.parametrize("compiler", [True, False])
def test_the_wheels_take_the_place_of_this_machines_or_are_named(tmp_path, compiler):
    """With a stand-in for the Makefile. Without a compiler for ARM the release has this machine's own wheel, and says why."""
    wheels = "mkdir -p dist/wheels && echo x > dist/wheels/fable6c-1.0-cp39-abi3-manylinux2014_x86_64.whl"
    lines = [
        "dist:",
        "mkdir -p dist && echo x > dist/fable6c-1.0-cp39-abi3-linux_x86_64.whl",
        "wheels:",
        f"@{wheels}; {'true' if compiler else 'echo aarch64-linux-gnu-gcc is missing >&2; exit 1'}",
    ]
    (tmp_path / "Makefile").write_text("".join(line + "\n" if line.endswith(":") else f"\t{line}\n" for line in lines))
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(shutil.which("false"))
    files, missing = assemble.built(tmp_path, dict(os.environ))
    assert list(files) == [f"fable6c-1.0-cp39-abi3-{'manylinux2014' if compiler else 'linux'}_x86_64.whl"]
    assert missing.get("the Python package for every Linux, make wheels") == (None if compiler else "aarch64-linux-gnu-gcc is missing")
    assert "the page, make page" in missing


def test_the_bill_of_materials_is_cyclonedx():
    model = (ROOT / "release" / "small.f6c").read_bytes()
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("fable6c.libs/libgomp-a34b3233.so.1.0.0", b"x")
    files = {"small.f6c": model, "fable6c-1.0-manylinux2014_x86_64.whl": wheel.getvalue(), "fable6c-arm64": b"x", "fable6.html": b"x"}
    bill = json.loads(assemble.bill_of_materials(files))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    names = {part["name"]: part for part in bill["components"]}
    assert {"wasm3", "numpy", "assemblyscript", *files} <= set(names)
    assert names["wasm3"]["purl"].startswith("pkg:pypi/pywasm3@0.")
    assert all(part["version"] for part in bill["components"])
    assert names["small.f6c"]["hashes"][0]["content"] == checklist.digest(ROOT / "release" / "small.f6c")
    inside = {name: [part["name"] for part in names[name].get("components", [])] for name in files}
    assert inside == {
        "small.f6c": [],
        "fable6c-1.0-manylinux2014_x86_64.whl": ["libgomp"],
        "fable6c-arm64": ["glibc", "libgcc"],
        "fable6.html": [],
    }
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("fable6c.libs/libother.so", b"x")
    with pytest.raises(SystemExit, match="carries fable6c.libs/libother.so, of which"):
        assemble.file_component("fable6c-1.0.whl", wheel.getvalue())


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_second_build_leaves_the_first_alone(tmp_path, monkeypatch):
    """The environment of the first would import the package from a folder that is gone."""
    root = tmp_path / "root"
    (root / "release").mkdir(parents=True)
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / "node_modules").mkdir()
    (root / ".venv" / "bin" / "python").symlink_to(shutil.which("false"))
    (root / ".venv" / "installed").write_text("from root")
    build = "mkdir -p build/arm && cd build/arm && pwd > ../../.venv/installed && pwd > fable6c-arm64 && echo x > fable6c-armv6"
    (root / "Makefile").write_text(f"arm:\n\t{build}\n")
    for command in (["init", "-q"], ["add", "Makefile"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    monkeypatch.setattr(assemble, "ROOT", root)
    said = assemble.compare({"fable6c-arm64": b"one", "fable6c-armv6": b"x\n", "c": b""}, dict(os.environ))
    assert (root / ".venv" / "installed").read_text() == "from root"
    assert "DIFFERS  fable6c-arm64: " in said and "same bytes  fable6c-armv6\n" in said and "not built again  c\n" in said


# ---- transcripts


def test_the_page_of_transcripts_is_that_of_the_script():
    page = transcripts.PAGE.read_text(encoding="utf-8")
    text, missing = transcripts.page(page, ROOT / "nowhere")
    assert text == page and len(missing) == len(transcripts.MODELS)
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == [name for name, *_ in transcripts.MODELS]
    assert page.count("### Good: ") >= 4


@pytest.mark.slow
def test_the_released_models_tell_what_the_page_of_transcripts_has():
    page = transcripts.PAGE.read_text(encoding="utf-8")
    for name, path, command, words in transcripts.MODELS:
        if path.startswith("release/"):
            assert transcripts.opening(name, command, words) + transcripts.chapter(name, transcripts.twenty(name, ROOT / path)) in page


def test_transcripts_follow_the_rule_and_keep_the_chapters_of_missing_models(tmp_path, monkeypatch):
    assert transcripts.repetition("a b c d a b c d") == pytest.approx(1 / 5)
    assert transcripts.repetition("too short") == 1
    told = [(False, seed / 100, seed, f"story {seed}") for seed in range(1, 20)] + [(True, 0.0, 20, "x" * 2000)]
    monkeypatch.setattr(transcripts, "stories", lambda path: told)
    (tmp_path / "here").write_text("")
    monkeypatch.setattr(transcripts, "MODELS", [("one", "here", "", "One."), ("two", "away", "train two", "Two.")])
    text, missing = transcripts.page("", tmp_path)
    assert missing == ["away is missing, so its chapter has no stories; train two"] and text.endswith(f"{transcripts.NONE}\n")
    for title, seed in (("Good", 1), ("Middling", 10), ("Bad", 20)):
        assert f"### {title}: one, seed {seed}, " in text
    assert "1 did not end by themselves" in text and "(cut here by this page; 2,000 characters in all" in text
    before = text[: text.index("## two")] + "## two\n\nOld words.\n\nRepetition of the twenty: least 5%\n\n> Old.\n"
    text, missing = transcripts.page(before, tmp_path)
    assert "is the old one" in missing[0] and text.endswith(
        "## two\n\nTwo.\n\n```\ntrain two\n```\n\nRepetition of the twenty: least 5%\n\n> Old.\n"
    )
    assert transcripts.page(text, tmp_path)[0] == text
    (tmp_path / "here").unlink()
    text, _ = transcripts.page("## one\n\nNone.\n\n" + text[text.index("## two") :], tmp_path)
    assert f"One.\n\n{transcripts.NONE}\n\n## two\n" in text and text.count("> Old.") == 1, "no chapter takes another's stories"


def source_archive(path, day, order):
    with tarfile.open(path, "w:gz") as archive:
        for name in order:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.uname, entry.uid = 1, day, f"somebody{day}", day
            archive.addfile(entry, io.BytesIO(b"x"))


def test_source_archives_of_two_days_are_the_same(tmp_path):
    for folder, day, order in (("one", 1000, "ab"), ("two", 2000, "ba")):
        (tmp_path / folder / "dist").mkdir(parents=True)
        source_archive(tmp_path / folder / "dist" / "fable6c-1.0.tar.gz", day, order)
    first, second = (assemble.steady(tmp_path / folder / "dist" / "fable6c-1.0.tar.gz") for folder in ("one", "two"))
    assert first == second
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        assert [member.name for member in archive] == ["a", "b"] and archive.extractfile("a").read() == b"x"


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is missing: apt install openssh-client")
def test_a_signature_is_made_and_a_forgery_is_found(tmp_path, capsys):
    key, out = tmp_path / "key", tmp_path / "out"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    out.mkdir()
    (out / "a").write_text("a")
    for _ in range(2):  # before the site is made, and after
        assemble.write_sums(out, key)
    assemble.propose(key)
    public = " ".join((tmp_path / "key.pub").read_text().split()[:2])
    assert f'fable6c namespaces="fable6c" {public}' in capsys.readouterr().out, "says what to commit"
    (tmp_path / "allowed_signers").write_text(f'fable6c namespaces="fable6c" {public}\n')
    command = assemble.verify_command().replace("allowed_signers", str(tmp_path / "allowed_signers"))

    def verified():
        return subprocess.run(command, shell=True, cwd=out, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    done = verified()
    assert done.returncode == 0 and done.stdout.startswith('Good "fable6c" signature'), done.stdout
    (out / "SHA256SUMS").write_text("0" * 64 + "  a\n")
    done = verified()
    assert done.returncode != 0 and "incorrect signature" in done.stdout


def test_what_cannot_end_well_does_not_begin(tmp_path, monkeypatch):
    """One line each, before anything is built."""
    (tmp_path / "key").write_text("no key\n")
    out = tmp_path / "out"
    monkeypatch.setattr(assemble, "built", lambda *_: pytest.fail("built"))
    if shutil.which("ssh-keygen"):
        with pytest.raises(SystemExit, match="there is no such key"):
            assemble.main(["--out", str(out), "--key", str(tmp_path / "none")])
        with pytest.raises(SystemExit, match="is no private key that ssh-keygen reads: "):
            assemble.main(["--out", str(out), "--key", str(tmp_path / "key")])
    with monkeypatch.context() as patch:
        patch.setattr(assemble, "VERSION", "9.9")
        with pytest.raises(SystemExit, match="CHANGELOG.md has no section"):
            assemble.main(["--out", str(out)])
    monkeypatch.setattr(assemble, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="here git lists none"):
        assemble.main(["--out", str(out), "--twice"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="ssh-keygen, which is missing"):
        assemble.main(["--out", str(out), "--key", str(tmp_path / "key")])
    assert not out.exists()
