"""What bounds one collection, and what shards give: filled, folded, edited and opened at growing
sizes, then the largest as 4 and as 16 shards side by side (docs/adr, "Shards").

A collection folds as it is filled, like a table that is taken in; the fold that is timed is of 300
words more, by a function that has nothing of the collection yet.

Every shard is a snapshot of its own under one hash of ids. `_s` is of the slowest shard and
`_cpu_s` of all of them; on AWS each would have a processor of its own, so that its own seconds on
one, `_longest_cpu_s`, are the time a Map would take.
"""

from collections.abc import Sequence

from benchmarks.endpoint import empty_bucket
from benchmarks.measure import Figures, exponent, short
from benchmarks.report import Report, at_most
from benchmarks.shard import Act, Shard, Took, side_by_side
from benchmarks.stage import Stage
from benchmarks.workload import NARROW, Shape, Workload

SIZES = (20_000, 80_000, 200_000, 500_000)
SHARDS = (4, 16)
ACTS: tuple[Act, ...] = ("fill", "fold", "edit", "open")
TARGETS = {"manifest_kb_exponent": at_most(0.1), "fill_cpu_exponent": at_most(1.1)}


def run(
    stage: Stage,
    sizes: Sequence[int] = SIZES,
    shards: Sequence[int] = SHARDS,
    shape: Shape = NARROW,
) -> Report:
    """Return what each size took as one collection, and the largest in shards."""
    figures: Figures = {}
    for size in sizes:
        figures |= _of(stage, shape(size), 1)
    for count in shards:
        figures |= _of(stage, shape(sizes[-1]), count)
    if len(sizes) > 1:
        manifests = [figures[f"{short(size)}_manifest_kb"] for size in sizes]
        figures["manifest_kb_exponent"] = exponent(sizes, manifests)
        filled = [figures[f"{short(size)}_fill_cpu_s"] for size in sizes]
        figures["fill_cpu_exponent"] = exponent(sizes, filled)
    workload = shape(sizes[-1])
    return Report(
        "scale",
        f"{sizes[0]:,} to {sizes[-1]:,} words x {workload.width:,} random floats, then the last in "
        f"shards; an edit is of 2 fields of {workload.updates:,} words",
        figures,
        TARGETS,
    )


def _of(stage: Stage, workload: Workload, count: int) -> Figures:
    name = short(workload.size) + (f"_in_{count}" if count > 1 else "")
    shards = [_shard(stage, workload, number, count) for number in range(count)]
    figures: Figures = {}
    for act in ACTS:
        figures |= _spell(f"{name}_{act}", side_by_side(shards, act))
    kilobytes, stored = [], 0
    for shard in shards:
        manifest = shard.writer().manifest()
        kilobytes.append(len(manifest.to_bytes()) / 1_024)
        stored += sum(pack.bytes for pack in manifest.pack_refs().values())
    figures[f"{name}_manifest_kb"] = round(max(kilobytes), 1)
    figures[f"{name}_s3_mb"] = round(stored / (1 << 20), 1)
    return figures


def _shard(stage: Stage, workload: Workload, number: int, of: int) -> Shard:
    bucket = f"scale-{workload.size}-{of}-{number}"
    empty_bucket(stage.endpoint.s3(), bucket)
    return Shard(stage.endpoint.url, stage.scratch / bucket, bucket, workload, number, of)


def _spell(prefix: str, took: Sequence[Took]) -> Figures:
    return {
        f"{prefix}_s": round(max(one.seconds for one in took), 2),
        f"{prefix}_cpu_s": round(sum(one.cpu_seconds for one in took), 2),
        f"{prefix}_longest_cpu_s": round(max(one.cpu_seconds for one in took), 2),
        f"{prefix}_memory_mb": round(max(one.memory_mb for one in took)),
        f"{prefix}_disk_mb": round(max(one.disk_mb for one in took)),
    }
