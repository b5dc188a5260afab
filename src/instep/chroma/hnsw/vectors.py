"""The vectors of a persisted index, read as plain numbers and without its links.

The layout is hnswlib's (`layout`): an element of `data_level0.bin` ends in vector and label, and
`labels` maps ids to labels. In the space cosine an element's vector is a direction, and its length
is in `length.bin`; in others that file holds nothing. Every offset is checked against the file
before it is used: they may be anybody's.
"""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from instep.chroma.hnsw.labels import IndexBroken, read_labels
from instep.chroma.hnsw.layout import ELEMENTS, LENGTHS, Layout, read_layout

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_vectors(
    segment: Path, ids: Collection[str] | None = None, *, cosine: bool = False
) -> dict[str, "NDArray[np.float32]"]:
    """Return the persisted vectors by id: of those ids that have one, or of all.

    `cosine`: that is the collection's space. None when the segment was never persisted.
    Raises IndexBroken.
    """
    labels: dict[str, int] = read_labels(segment).get("id_to_label", {})
    chosen = labels if ids is None else {id_: labels[id_] for id_ in ids if id_ in labels}
    if not chosen:
        return {}
    try:
        layout = read_layout(segment)
        elements = _elements(segment / ELEMENTS, layout)
        lengths = _lengths(segment / LENGTHS, layout) if cosine else None
    except FileNotFoundError as error:
        raise IndexBroken(f"the vector index is incomplete: {error}") from error
    except ValueError as error:
        raise IndexBroken(f"the vector index is broken: {error}") from error
    return _vectors(layout, elements, lengths, chosen)


def last_seq_id(segment: Path) -> int | None:
    """Return the number of the last log record the index has, as chromadb before 0.6 kept it here.

    None where it did not: then the table `max_seq_id` says it. Raises IndexBroken.
    """
    found = read_labels(segment).get("max_seq_id")
    return found if type(found) is int else None


def _elements(path: Path, layout: Layout) -> "NDArray[np.uint8]":
    """Map the elements into memory, a row each."""
    if layout.count * layout.width > path.stat().st_size:
        raise ValueError("it is shorter than its header says")
    shape = (layout.count, layout.width)
    return np.memmap(path, np.uint8, "r", shape=shape) if layout.count else np.empty(shape, "u1")


def _lengths(path: Path, layout: Layout) -> "NDArray[np.float32]":
    """Read how long each element's vector was, a float each."""
    read = np.fromfile(path, "<f4", layout.count)
    if len(read) < layout.count:
        raise ValueError(f"{LENGTHS} is shorter than its header says")
    return read


def _vectors(
    layout: Layout,
    elements: "NDArray[np.uint8]",
    lengths: "NDArray[np.float32] | None",
    chosen: dict[str, int],
) -> dict[str, "NDArray[np.float32]"]:
    stored = elements[:, layout.label_at :].copy().view("<u8").ravel().tolist()
    rows = {label: row for row, label in enumerate(stored)}
    if len(rows) < layout.count:
        raise IndexBroken("the vector index has two elements of one label")
    missing = [id_ for id_, label in chosen.items() if label not in rows]
    if missing:
        raise IndexBroken(f"the vector index lacks {len(missing)} records, so {missing[0]!r}")
    wanted = [rows[label] for label in chosen.values()]
    vectors = elements[:, layout.vector_at : layout.label_at][wanted].view("<f4")
    if lengths is not None:
        with np.errstate(all="ignore"):  # what is no number is for the caller to judge
            vectors *= lengths[wanted, None]
    return dict(zip(chosen, vectors, strict=True))
