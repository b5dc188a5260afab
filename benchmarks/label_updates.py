"""What 500 label edits cost: predecessor, Instep (warm, cold) and LanceDB, scattered, clustered.

Seconds are taken on the direct way; against LanceDB, whose client has no hooks, bytes are counted
by a relay on the wire, in runs of their own.
"""

from collections.abc import Sequence
from functools import partial

from benchmarks.endpoint import empty_bucket
from benchmarks.lance import Lance, missing
from benchmarks.measure import Figures, Run, Side, interleave, median_run, ratio, short, spell
from benchmarks.ours import Instep
from benchmarks.report import Report, at_least, at_most
from benchmarks.stage import Stage
from benchmarks.traffic import Relay, Uncounted
from benchmarks.workload import Shape, Spread, Workload

SIZES = (20_000, 80_000)
ROUNDS = 5
TARGETS = {
    "speedup_warm_20k": at_least(20),
    "speedup_warm_80k": at_least(30),
    "speedup_cold_20k": at_least(5),
    "bytes_up_ratio_20k": at_least(500),
    "bytes_down_cold_ratio_20k": at_least(8),
    "time_vs_lancedb_20k": at_most(0.8),
    "bytes_vs_lancedb_20k": at_most(0.5),
}

_SPREADS: tuple[Spread, ...] = ("scattered", "clustered")
_WIRE_ROUNDS = 3
_WIRE_FIRST = 1_000  # their edits are none of the timed ones: no run writes what is there already


def run(
    stage: Stage, sizes: Sequence[int] = SIZES, rounds: int = ROUNDS, shape: Shape = Workload
) -> Report:
    """Return the figures of every size; LanceDB, where installed, takes part at the first one."""
    left_out = missing()
    workloads = [shape(size) for size in sizes]
    figures: Figures = {}
    for workload in workloads:
        figures |= measure(stage, workload, rounds, peer=not left_out and workload is workloads[0])
    return Report("label_updates", workloads[0].describe(), figures, TARGETS, left_out)


def measure(stage: Stage, workload: Workload, rounds: int, *, peer: bool) -> Figures:
    """Return the figures of one size; `peer`: LanceDB's too."""
    base = stage.base(workload)
    sides = _predecessor(stage, workload) | _ours(stage, workload, base)
    if peer:
        sides |= _lance(stage, workload)
    medians = _medians(sides, rounds)
    figures = _ratios(short(workload.size), medians)
    if peer:
        wire = _on_the_wire(stage, workload, base)
        figures |= _against_lance(short(workload.size), medians, wire)
    return figures | _spelt(short(workload.size), medians)


def _predecessor(stage: Stage, workload: Workload) -> dict[str, Side]:
    side = stage.predecessor(workload)

    def update(spread: Spread, number: int) -> Run:
        return side.update_labels(workload.edits(spread, number))

    return {f"predecessor_{spread}": partial(update, spread) for spread in _SPREADS}


def _ours(
    stage: Stage, workload: Workload, base: str, relay: Relay | None = None
) -> dict[str, Side]:
    sides: dict[str, Side] = {}
    for name, cold in (("warm", False), ("cold", True)):
        side = stage.instep(stage.copy(base), relay)
        if not cold:
            side.warm_up()

        def update(side: Instep, cold: bool, spread: Spread, number: int) -> Run:
            return side.update_labels(workload.edits(spread, number), cold=cold).run

        sides |= {f"{name}_{spread}": partial(update, side, cold, spread) for spread in _SPREADS}
    return sides


def _lance(stage: Stage, workload: Workload, relay: Relay | None = None) -> dict[str, Side]:
    client = stage.endpoint.s3()
    sides: dict[str, Side] = {}
    for name, indexed in (("lancedb", False), ("lancedb_indexed", True)):
        bucket = f"{name.replace('_', '-')}-{'wire' if relay else 'direct'}"
        empty_bucket(client, bucket)
        url = relay.endpoint if relay else stage.endpoint.url
        side = Lance(url, bucket, relay or Uncounted(), indexed=indexed)
        side.seed(workload)

        def update(side: Lance, spread: Spread, number: int) -> Run:
            return side.update_labels(workload.edits(spread, number))

        sides |= {f"{name}_{spread}": partial(update, side, spread) for spread in _SPREADS}
    return sides


def _on_the_wire(stage: Stage, workload: Workload, base: str) -> dict[str, Run]:
    with Relay(stage.endpoint.address).running() as relay:
        sides = _ours(stage, workload, base, relay) | _lance(stage, workload, relay)
        return _medians(sides, _WIRE_ROUNDS, first=_WIRE_FIRST)


def _medians(sides: dict[str, Side], rounds: int, first: int = 0) -> dict[str, Run]:
    return {name: median_run(runs) for name, runs in interleave(sides, rounds, first=first).items()}


def _ratios(size: str, runs: dict[str, Run]) -> Figures:
    figures: Figures = {}
    for spread, suffix in (("scattered", ""), ("clustered", "_clustered")):
        then = runs[f"predecessor_{spread}"]
        warm, cold = runs[f"warm_{spread}"], runs[f"cold_{spread}"]
        figures |= {
            f"speedup_warm{suffix}_{size}": ratio(then.seconds, warm.seconds),
            f"speedup_cold{suffix}_{size}": ratio(then.seconds, cold.seconds),
            f"bytes_up_ratio{suffix}_{size}": ratio(then.up, warm.up),
            f"bytes_down_cold_ratio{suffix}_{size}": ratio(then.down, cold.down),
        }
    return figures


def _against_lance(size: str, timed: dict[str, Run], wire: dict[str, Run]) -> Figures:
    """Return time and bytes moved (both ways, on the wire) as shares of LanceDB's."""
    figures: Figures = {}
    for peer, name in (("lancedb", "lancedb"), ("lancedb_indexed", "indexed_lancedb")):
        for spread, suffix in (("clustered", ""), ("scattered", "_scattered")):
            ours, theirs = wire[f"warm_{spread}"], wire[f"{peer}_{spread}"]
            took, taken = timed[f"warm_{spread}"], timed[f"{peer}_{spread}"]
            figures |= {
                f"time_vs_{name}{suffix}_{size}": ratio(took.seconds, taken.seconds),
                f"bytes_vs_{name}{suffix}_{size}": ratio(
                    ours.up + ours.down, theirs.up + theirs.down
                ),
                f"bytes_up_vs_{name}{suffix}_{size}": ratio(ours.up, theirs.up),
            }
    return figures


def _spelt(size: str, runs: dict[str, Run]) -> Figures:
    figures: Figures = {}
    for name, taken in runs.items():
        figures |= spell(f"{name}_{size}", taken)
    return figures
