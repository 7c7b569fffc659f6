"""Training speed, side by side: our trainer, the PyTorch peer and the CPU's peak, in turn. METHOD.md explains; run.sh calls it."""

import json
import os
import sys
from typing import Optional

import common
from common import ISAS, Failure, Record, Worker, ratio, spread, summary

THREADS = 2
# For PyTorch: its own kernels, MKL's products and oneDNN's, each of which looks at the CPU for itself.
ATEN_AVX2 = {"ATEN_CPU_CAPABILITY": "avx2"}
ALL_AVX2 = {**ATEN_AVX2, "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"}

BF16 = ("avx512bf16", "amx")  # sets with products of bf16
Peaks = dict[tuple[str, int], Worker]


# ---- the workers; `about` says which measured peak bounds their products


def ours(name: str, isa: str, threads: int = THREADS, **changes) -> Worker:
    """Our trainer; the options of train_fable6c.py that are not named are those of the published run, 2,048 tokens to a step."""
    options = {"shape": "v4", "threads": threads, "batch": 4, "accumulate": 2, "context": 256, "text": 0, "profile": False, **changes}
    common.say(f"preparing {name}")
    worker = Worker(name, [sys.executable, "benchmarks/train_fable6c.py", json.dumps(options)], {"FABLE6C_ISA": isa})
    worker.about = {"isa": isa, "threads": threads, "float": "bf16" if isa in BF16 else "f32"}
    return worker


def peer(python: str, name: str, best: str, batch: int, bf16: bool = False, compiled: bool = False, limit: Optional[dict] = None) -> Worker:
    """PyTorch. `limit` are environment variables that keep it to AVX2."""
    options = {"batch": batch, "bf16": bf16, "compile": compiled, "threads": THREADS}
    # What torch.compile made without the limit must not be found with it.
    cache = {"TORCHINDUCTOR_CACHE_DIR": os.path.join(common.ROOT, "build", "peers", "inductor-avx2" if limit else "inductor")}
    common.say(f"preparing {name}")
    worker = Worker(name, [python, "benchmarks/train_torch.py", json.dumps(options)], {**cache, **(limit or {})})
    isa = "avx2" if limit is ALL_AVX2 else best  # MKL and oneDNN are free to use more where only ATen is limited
    worker.about = {"isa": isa, "threads": THREADS, "float": "bf16" if bf16 and isa in BF16 else "f32"}
    return worker


def peak_meters(isas: list[str]) -> Peaks:
    """The peak meters that run.sh has compiled, for one thread and for all."""
    meters = {}
    for isa in isas:
        program = os.path.join(common.BUILD, f"peak-{isa}")
        if os.path.exists(program):
            for threads in (1, THREADS):
                meters[isa, threads] = Worker(f"peak {isa}", [program, str(threads)], {})
    return meters


# ---- figures


def learned(worker: Worker, record: Record) -> bool:
    """Each worker trains on a few batches again and again: if its loss has not fallen, its speed means nothing.

    A Failure if it is ours; a peer is left out of the record with a line that says so.
    """
    first, last = worker.ready["first_loss"], worker.results[-1]["loss"]
    if last < first:  # not for NaN
        return True
    line = f"{worker.name}: its loss did not fall ({first:.3f} to {last:.3f}), so this is no training"
    if worker.name.startswith("fable6c"):
        raise Failure(line)
    record.skip(line)
    return False


def peaks_of(real: str) -> dict[str, str]:
    """The peak that bounds each kind of product; `real`: what the float products are of, f32 or bf16."""
    return {"int8": "int8", "int16": "int16", "float": real, "optimizer": "f32"}


def share_of_peak(worker: Worker, peaks: Peaks) -> Optional[float]:
    """The seconds that a token's products need at the measured peak / the seconds that it took."""
    about, products = worker.about, worker.ready["products"]
    meter = peaks.get((about["isa"], about["threads"]))
    if meter is None:
        return None
    rates = {kind: 1e3 * max(meter.values(peak)) for kind, peak in peaks_of(about["float"]).items()}  # M operations/s
    ideal = sum(count / rates[kind] for kind, count in products.items() if count)
    return ideal * summary(worker.values("tokens_per_second"))["median"]


def figures(worker: Worker, peaks: Peaks) -> dict:
    """What the record keeps of a worker."""
    return {
        **worker.about, **worker.ready, "tokens_per_second": summary(worker.values("tokens_per_second")),
        "peak_mib": max(worker.values("peak_mib")), "share_of_peak": share_of_peak(worker, peaks), "last_loss": worker.results[-1]["loss"],
    }  # fmt: skip


def finish(workers: list[Worker], peaks: Peaks, record: Record) -> list[Worker]:
    """End the workers and keep their figures; returns those that count."""
    for worker in workers:
        worker.close()
    workers = [worker for worker in workers if learned(worker, record)]
    record.figures.setdefault("rows", {}).update({worker.name: figures(worker, peaks) for worker in workers})
    return workers


def percent(share: Optional[float]) -> str:
    return "–" if share is None else f"{share:.0%}"


def peers(best: str) -> tuple[list[tuple[str, dict]], list[str]]:
    """The configurations of PyTorch that are worth their time on a CPU whose best instruction set is `best`, and why others are left out."""
    configurations = [
        ("eager fp32, 2,048", dict(batch=8)),
        ("eager fp32, 8,192", dict(batch=32)),
        ("eager bf16, 8,192", dict(batch=32, bf16=True)),
        ("compile fp32, 8,192", dict(batch=32, compiled=True)),
        ("compile bf16, 2,048", dict(batch=8, bf16=True, compiled=True)),
        ("compile bf16, 8,192", dict(batch=32, bf16=True, compiled=True)),
        ("eager fp32, 2,048, ATen avx2", dict(batch=8, limit=ATEN_AVX2)),
        ("eager fp32, 8,192, ATen avx2", dict(batch=32, limit=ATEN_AVX2)),
        ("eager fp32, 2,048, all avx2", dict(batch=8, limit=ALL_AVX2)),
        ("compile fp32, 8,192, all avx2", dict(batch=32, compiled=True, limit=ALL_AVX2)),
    ]
    left_out = []
    if best not in BF16:
        configurations = [one for one in configurations if not one[1].get("bf16")]
        left_out.append("PyTorch in bf16: this CPU has no products of bf16, and PyTorch without them is many times slower than in f32")
    if best not in (*BF16, "avx512"):
        configurations = [one for one in configurations if not one[1].get("limit")]
        left_out.append("PyTorch limited to AVX2: this CPU has no more, so the rows without the limit are the same")
    return configurations, left_out


# ---- the benchmarks


def v4_shape(record: Record, isas: list[str], peaks: Peaks, torch: str, quick: bool) -> dict[str, Worker]:
    """All trainers at the sizes of FlashLM v4 small."""
    best = isas[-1]
    rows = []
    for isa in isas:
        if not quick:
            rows.append(ours(f"fable6c {isa}, 1 thread, 2,048", isa, 1))
        rows.append(ours(f"fable6c {isa}, {THREADS} threads, 2,048", isa))
    if not quick:
        for batch, accumulate in ((2, 4), (8, 1)):
            rows.append(ours(f"fable6c {best}, 2 threads, 2,048, {batch} windows at a time", best, batch=batch, accumulate=accumulate))
        for isa in sorted({best, "avx2"} & set(isas), key=isas.index):
            rows.append(ours(f"fable6c {isa}, 2 threads, 8,192", isa, batch=8, accumulate=4))
    if torch:
        configurations, left_out = peers(best)
        for line in left_out:
            record.skip(line)
        for name, options in configurations[:1] if quick else configurations:
            try:
                rows.append(peer(torch, f"PyTorch {name}", best, **options))
            except Failure as error:
                record.skip(str(error))
    common.in_turn([*peaks.values(), *rows], *((2, 0.5) if quick else (7, 4.0)))
    rows = finish(rows, peaks, record)

    def row(worker: Worker) -> list[str]:
        products = " + ".join(f"{count:.1f}" for count in worker.ready["products"].values())
        memory = f"{max(worker.values('peak_mib')):,.0f}"
        return [worker.name, spread(summary(worker.values("tokens_per_second"))), products, percent(share_of_peak(worker, peaks)), memory]

    models = f"{rows[0].ready['parameters']:,} parameters, Muon and AdamW"
    if "torch" in rows[-1].ready:
        models += f"; PyTorch {rows[-1].ready['torch']}: {rows[-1].ready['parameters']:,} parameters, AdamW"
    record.table(
        "The v4-small shape (width 192, 6 blocks, GLU 512, kernel 8, vocabulary 10,000, windows of 256), optimizer included",
        [
            "trainer, threads, tokens in a step",
            "tokens/s",
            "products, M operations/token: int8 + int16 + float + optimizer",
            "share of peak",
            "peak MiB",
        ],
        [row(worker) for worker in rows],
        models + ".",
    )
    return {worker.name: worker for worker in rows}


def peak_table(record: Record, peaks: Peaks) -> None:
    titles = {"f32": "f32 multiply-add, GFLOPS", "bf16": "bf16 pairs, GFLOPS", "int8": "int8, GOPS", "int16": "int16 pairs, GOPS"}
    rows, record.figures["peaks"] = [], {}
    for (isa, threads), meter in peaks.items():
        record.figures["peaks"][f"{isa}, {threads}"] = {kind: summary(meter.values(kind)) for kind in titles}
        best = [max(meter.values(kind)) for kind in titles]
        rows.append([isa, str(threads)] + [f"{rate:,.0f}" if rate else "–" for rate in best])
    record.table("The CPU's peak, registers only", ["instruction set", "threads", *titles.values()], rows)


def ratio_table(record: Record, rows: dict[str, Worker], best: str) -> None:
    """Ours over each peer, at equal tokens in a step and for the same instruction set."""
    lines, record.figures["ratios"] = [], {}
    for name, worker in rows.items():
        if not name.startswith("PyTorch"):
            continue
        tokens = f"{worker.ready['tokens_per_step']:,}"
        isa = "avx2" if "avx2" in name else best
        mine = rows.get(f"fable6c {isa}, {THREADS} threads, {tokens}")
        if mine:
            r = ratio(mine.values("tokens_per_second"), worker.values("tokens_per_second"))
            record.figures["ratios"][f"{mine.name} / {name}"] = r
            lines.append([mine.name, name, spread(r, 2)])
    if lines:
        record.table("Ours over the peer's, equal tokens in a step", ["ours", "peer", "times as fast"], lines)


def small_preset(record: Record, isas: list[str], quick: bool) -> dict[str, Worker]:
    """The preset `small` on text: threads, lesser instruction sets, length of the text, length of the window, memory."""
    best, text = isas[-1], 1_000_000 if quick else 8_000_000
    settings = {
        "2 threads": {}, "1 thread": dict(threads=1), "text of 2 MB": dict(text=2_000_000), "text of 32 MB": dict(text=32_000_000),
        "windows of 128": dict(context=128, batch=8), "windows of 512": dict(context=512, batch=2),
        **{f"kernels {isa}": dict(isa=isa) for isa in ("avx512bf16", "avxvnni", "avx2") if isa in isas[:-1]},
    }  # fmt: skip
    if quick:
        settings = {"2 threads": {}, "windows of 128": dict(context=128, batch=8)}
    rows = {
        name: ours(f"fable6c small, {name}", **{"isa": best, "shape": "small", "accumulate": 4, "text": text, **changes})
        for name, changes in settings.items()
    }
    common.in_turn(list(rows.values()), *((2, 0.5) if quick else (7, 4.0)))
    finish(list(rows.values()), {}, record)
    base = rows["2 threads"]
    lines = []
    for name, worker in rows.items():
        relative = ratio(worker.values("tokens_per_second"), base.values("tokens_per_second"))
        lines.append(
            [name, spread(summary(worker.values("tokens_per_second"))), spread(relative, 2), f"{max(worker.values('peak_mib')):,.0f}"]
        )
    record.table(
        "The preset small, 4,096 tokens in a step",
        ["", "tokens/s", "over the first row", "peak MiB"],
        lines,
        f"{base.ready['parameters']:,} parameters; text of {text / 1e6:.0f} MB, windows of 256 and 2 threads where nothing else is said. The memory is that of "
        "the whole process, with the tokenizer's training and NumPy.",
    )
    return rows


def threads_table(record: Record, rows: dict[str, Worker], small: dict[str, Worker], isas: list[str]) -> None:
    """What the second core gives."""
    pairs = {
        f"v4-small shape, {isa}, 2,048 tokens in a step": [
            rows.get(f"fable6c {isa}, {threads}, 2,048") for threads in ("2 threads", "1 thread")
        ]
        for isa in isas
    }
    pairs["small"] = [small.get("2 threads"), small.get("1 thread")]
    ratios = {
        name: ratio(two.values("tokens_per_second"), one.values("tokens_per_second")) for name, (two, one) in pairs.items() if two and one
    }
    record.figures["two_threads_over_one"] = ratios
    if ratios:
        record.table("Two threads over one", ["", "times as fast"], [[name, spread(r, 2)] for name, r in ratios.items()])


def profile(record: Record, best: str, peaks: Peaks, quick: bool) -> None:
    """Where the time of a step goes, kernel by kernel."""
    worker = ours("fable6c profile", best, profile=True)
    common.in_turn([worker], 1, 1.0 if quick else 10.0)
    worker.close()
    result = worker.results[0]
    record.figures["profile"] = result
    meter = peaks.get((best, THREADS))
    lines = []
    for name, k in sorted(result["kernels"].items(), key=lambda item: -item[1]["seconds"]):
        speed = k["operations"] / k["seconds"] / 1e9
        bound = "–"
        if speed and meter:
            bound = percent(speed / max(meter.values(peaks_of(worker.about["float"])[k["kind"]])))
        time = [
            f"{k['seconds'] / result['seconds']:.1%}",
            f"{1e6 * k['seconds'] / k['calls']:,.0f}",
            f"{k['calls'] / result['steps']:,.0f}",
        ]
        lines.append([name, *time, f"{speed:,.0f}" if speed else "–", bound])
    rest = result["seconds"] - sum(k["seconds"] for k in result["kernels"].values())
    lines.append(["Python between the calls", f"{rest / result['seconds']:.1%}", "", "", "", ""])
    record.table(
        f"A step by kernel ({best}, {THREADS} threads, v4-small shape, 2,048 tokens)",
        ["kernel, inputs→outputs", "share of the time", "µs a call", "calls a step", "G operations/s", "of the peak"],
        lines,
    )


def main() -> None:
    parser = common.parser()
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--torch", default="", help="the Python of an environment that has PyTorch")
    options = parser.parse_args()
    record = Record("train", options.quick)
    isas = common.available_isas()
    for isa in [isa for isa in ISAS if isa not in isas]:
        record.skip(f"{isa}: this CPU or build does not have it")
    peaks = peak_meters(isas)
    if not peaks:
        record.skip("shares of the peak: the peak meter is for x86-64")
    if not options.torch:
        record.skip("the PyTorch peer: it is not installed in build/peers/torch (run.sh says why)")
    rows = v4_shape(record, isas, peaks, options.torch, options.quick)
    ratio_table(record, rows, isas[-1])
    peak_table(record, peaks)
    if options.profile:
        profile(record, isas[-1], peaks, options.quick)
    for meter in peaks.values():
        meter.close()
    small = small_preset(record, isas, options.quick)
    threads_table(record, rows, small, isas)
    record.write(
        {"training, v4-small shape": {name: summary(worker.values("tokens_per_second")) for name, worker in rows.items()}},
        "tokens/s",
        options.json,
    )


if __name__ == "__main__":
    common.start("train", main)
