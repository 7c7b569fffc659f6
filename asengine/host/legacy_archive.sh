#!/bin/sh
# Pack what an old PC needs: sh asengine/host/legacy_archive.sh model.f6c build/legacy fable6c  (called by `make legacy`; the
# last is the program there, fable6c or fable6c-aot)
# The same files give the same archive, byte for byte.
set -eu
model=$1 to=$2 program=$3
name=$program-i586
folder=$to/$name

[ -f "$model" ] && [ -r "$model" ] || { echo "$model cannot be read; name a model file: make legacy MODEL=model.f6c" >&2; exit 1; }
rm -rf "$folder"
mkdir -p "$folder"
cp asengine/build/fable6c.wasm asengine/build/fable6c-wasi.wasm LICENSE "$folder/"
cp "$to/$program" "$folder/fable6c"
cp -- "$model" "$folder/model.f6c"
[ "$program" != fable6c ] || cp build/wasm3/LICENSE "$folder/LICENSE.wasm3"
for licence in /usr/share/doc/musl-dev/copyright /usr/share/doc/musl/copyright; do
    if [ -r "$licence" ]; then cp "$licence" "$folder/LICENSE.musl"; break; fi
done
case "$program" in fable6c) inside="with the wasm3 interpreter inside" ;; *) inside="its engine compiled ahead of time" ;; esac
sed "s/@INSIDE@/$inside/" asengine/host/legacy_readme.txt > "$folder/README.txt"
chmod 644 "$folder"/*
chmod 755 "$folder" "$folder/fable6c"
(cd "$folder" && LC_ALL=C sha256sum -- * > SHA256SUMS)
tar -C "$to" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar -cf - "$name" | gzip -n -9 > "$folder.tar.gz"
(cd "$to" && sha256sum "$name.tar.gz" && du -h --apparent-size "$name.tar.gz")
