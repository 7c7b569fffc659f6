"""Pack what a PC with Windows needs: `python asengine/host/windows_archive.py model.f6c build/windows` (called by `make windows`).

The same files give the same archive, byte for byte.
"""

import os
import sys
import zipfile

NAME = "fable6c-windows"
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
START = "@fable6c.exe model.f6c\n"


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def text(content: bytes) -> bytes:
    """With the line ends of Notepad."""
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def main() -> None:
    model, folder = sys.argv[1:]
    try:
        model_bytes = read(model)
    except OSError as error:
        sys.exit(f"{model} cannot be read ({error.strerror}); name a model file: make windows MODEL=model.f6c")
    files = {
        "fable6c.exe": read(os.path.join(folder, "fable6c.exe")),
        "model.f6c": model_bytes,
        "story.bat": text(START.encode("ascii")),
        "README.txt": text(read(os.path.join(HERE, "windows_readme.txt"))),
        "LICENSE.txt": text(read(os.path.join(ROOT, "LICENSE"))),
    }
    path = os.path.join(folder, NAME + ".zip")
    with zipfile.ZipFile(path + ".partial", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(f"{NAME}/{name}", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    os.replace(path + ".partial", path)
    print(f"{path}: {os.path.getsize(path):,} bytes")


if __name__ == "__main__":
    main()
