#!/bin/bash
# The one entry to the benchmarks. benchmarks/METHOD.md says what is measured and how.
set -eu
here=$PWD
cd "$(dirname "$0")/.."

usage() {
    cat <<'END'
Measure training and the engine on this machine, side by side with their peers.

example:
  benchmarks/run.sh train --profile

usage: benchmarks/run.sh train|engine|all|gradients|scout|scout-parts|ask|flashlm|floats|ablate|curve|wishes|cluster|mix|z80|exchange [options]
  train      training speed for each instruction set, PyTorch beside it, shares of the CPU's peak, memory
  engine     speed, loading and memory of a model in every runtime that is here
  all        train and engine
  gradients  whether the fast gradients cost quality: the same run twice; its options: gradients --help
  scout      the scout beside xz, PPMd and zpaq, and how it grows with its text
  scout-parts  the scout without each of its parts in turn
  ask        questions that a rule makes of what the scout has read, and its answers
  flashlm    what FlashLM v4's recipe learns in some minutes, in PyTorch; its options: flashlm --help
  floats     what training for the rounding buys: micro in PyTorch without any, rounded afterwards; its options: floats --help
  ablate     experiments side by side, held-out bits per character; its options: ablate --help
  curve      minutes of training against bits per character, for runs and peers; its options: curve --help
  wishes     how many wishes a model fulfils; its options: wishes --help
  cluster    training in rounds by several workers beside a synchronous run; its options: cluster --help
  mix        what micromodels gain together: merged, as an ensemble, distilled; its options: mix --help
  z80        the Z80's model beside Z80-uLM on that project's texts; its options: z80 --help
  exchange   poisoned updates of strangers, and a DHT whose members come and go; its options: exchange --help

  --quick          see in seconds that everything works; the figures mean nothing and go to build/benchmarks/quick
  --json FILE      write the figures to FILE too (all: {"train": …, "engine": …})
  --profile        train: the time of each kernel
  --model FILE     engine: measure this model, may be given again (default: tests/golden/model.f6c)
  --llama2c WASM   engine: the peer, a build of llama2.c's run.c for wasm32-wasi (METHOD.md)
  --corpus DIR     scout, scout-parts, ask: folder with train.txt.zst and valid500.txt (default ../shared/corpus/tinystories)

PYTHON names the interpreter that has fable6c (default .venv/bin/python, else python3). Records go to benchmarks/record.
END
}

wrong() {
    echo "run.sh: $1; see benchmarks/run.sh --help" >&2
    exit 2
}

names='train, engine, all, gradients, scout, scout-parts, ask, flashlm, floats, ablate, curve, wishes, cluster, mix, z80 or exchange'
[ $# -gt 0 ] || wrong "say what to measure: $names"
case "$1" in
    train | engine | all | gradients | scout | scout-parts | ask | flashlm | floats | ablate | curve | wishes | cluster | mix | z80 | exchange) what=$1 ;;
    -h | --help) usage; exit ;;
    *) wrong "there is no benchmark '$1': $names" ;;
esac
export FABLE6C_BENCHMARK="benchmarks/run.sh $*"
shift

python=${PYTHON:-python3}
[ -n "${PYTHON:-}" ] || [ ! -x .venv/bin/python ] || python=$PWD/.venv/bin/python
python=$(command -v "$python" || echo "$python") # before the search path changes
export PATH="$PWD/.venv/bin:$PATH" # Node, where `make` had to bring one
build=build/benchmarks
mkdir -p "$build"
quick=()

# The peer's environment, apart from the package's. A quick run takes it only if it is there.
torch_python() {
    local venv=build/peers/torch
    if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
        if [ ${#quick[@]} -gt 0 ]; then
            echo "PyTorch is left out: a quick run does not install it" >&2
            return 0
        fi
        echo "installing PyTorch into $venv, once" >&2
        if ! { "$python" -m venv "$venv" && "$venv/bin/python" -m pip --disable-pip-version-check install -q torch==2.13.0 numpy; } \
            >"$build/torch.log" 2>&1; then
            echo "PyTorch could not be installed (see $build/torch.log)" >&2
            return 0
        fi
    fi
    echo "$venv/bin/python"
}

# These have a command line of their own, with paths from where the person stands.
case "$what" in
    z80) script=$PWD/benchmarks/z80_model.py && cd "$here" && exec "$python" "$script" "$@" ;; # `z80` is the emulator's module
    gradients | ablate | curve | wishes | cluster | mix | exchange) script=$PWD/benchmarks/$what.py && cd "$here" && exec "$python" "$script" "$@" ;;
    flashlm | floats)
        case " $* " in *' --quick '* | *' --help '* | *' -h '*) ;; *) torch_python >/dev/null ;; esac
        script=$PWD/benchmarks/$what.py && cd "$here" && exec "$python" "$script" "$@"
        ;;
esac

json='' profile=() engine=() corpus=()
while [ $# -gt 0 ]; do
    option=$1
    shift
    case "$option" in
        -h | --help) usage; exit ;;
        --quick) quick=(--quick); continue ;;
        --profile) profile=(--profile); continue ;;
        --json | --model | --llama2c | --corpus) [ $# -gt 0 ] || wrong "$option needs a value" ;;
        *) wrong "unknown option $option" ;;
    esac
    value=$1
    case "$value" in /*) ;; *) value=$here/$value ;; esac
    case "$option" in
        --json) json=$value ;;
        --model | --llama2c) engine+=("$option" "$value") ;;
        --corpus) corpus=("$option" "$value") ;;
    esac
    shift
done
case "$what" in train | all) ;; *) [ ${#profile[@]} = 0 ] || wrong "--profile belongs to train" ;; esac
case "$what" in engine | all) ;; *) [ ${#engine[@]} = 0 ] || wrong "${engine[0]} belongs to engine" ;; esac
case "$what" in scout | scout-parts | ask) ;; *) [ ${#corpus[@]} = 0 ] || wrong "--corpus belongs to scout, scout-parts and ask" ;; esac

# The peak meter for each instruction set; the flags are those of fable6c/build_kernels.py. An older compiler does not know AVX-VNNI and AMX.
compile_peak_meters() {
    case "$(uname -m)" in x86_64 | amd64) ;; *) return 0 ;; esac
    local avx2='-mavx2 -mfma' avx512='-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni'
    local isa flags
    while read -r isa flags; do
        # shellcheck disable=SC2086  # the flags are words
        [ "$build/peak-$isa" -nt benchmarks/peak.c ] || ${CC:-cc} -O2 -std=gnu11 -pthread $flags -o "$build/peak-$isa" benchmarks/peak.c || [ "$isa" = avxvnni ] || [ "$isa" = amx ]
    done <<END
baseline
avx2 $avx2
avxvnni $avx2 -mavxvnni
avx512 $avx2 $avx512
avx512bf16 $avx2 $avx512 -mavx512bf16
amx $avx2 $avx512 -mavx512bf16 -mamx-tile -mamx-int8
END
}

# train FILE, engine FILE: run it, with a copy of its figures in FILE unless that is empty
train() {
    compile_peak_meters
    local torch
    torch=$(torch_python)
    "$python" benchmarks/train.py "${quick[@]}" "${profile[@]}" --json "$1" --torch "$torch"
}

engine() {
    "$python" benchmarks/engine.py "${quick[@]}" "${engine[@]}" --json "$1"
}

case "$what" in
    train) train "$json" ;;
    engine) engine "$json" ;;
    scout) "$python" benchmarks/scout.py "${quick[@]}" "${corpus[@]}" --json "$json" ;;
    scout-parts) "$python" benchmarks/scout_parts.py "${quick[@]}" "${corpus[@]}" --json "$json" ;;
    ask) "$python" benchmarks/ask.py "${quick[@]}" "${corpus[@]}" --json "$json" ;;
    all)
        train "$build/train.json"
        engine "$build/engine.json"
        [ -z "$json" ] || printf '{"train": %s, "engine": %s}\n' "$(cat "$build/train.json")" "$(cat "$build/engine.json")" >"$json"
        ;;
esac
