"""Read a snapshot from Python: the words whose label a person found right.

    python examples/read_snapshot.py s3://my-bucket PRODUCT_NAME

Credentials and endpoint come from the environment, so after `eval "$(instep env)"` it reads the
local cloud's bucket: `python examples/read_snapshot.py "s3://$CHROMADB_BUCKET" PRODUCT_NAME`.
"""

import sys

from instep import open_snapshot


def main(location: str, label: str) -> None:
    """Print some words that carry `label` as valid, from the head of `words` at `location`."""
    with open_snapshot(location, "words") as snapshot:
        words = snapshot.collection
        print(f"words at {snapshot.version}: {words.count()} embeddings")
        found = words.get(where={"valid_labels_array": {"$contains": label}}, limit=5)
        for id_, text, carried in zip(
            found["ids"], found["documents"] or [], found["metadatas"] or [], strict=True
        ):
            print(f"{text:<16} {carried.get('merchant_name', ''):<24} {id_}")
        snapshot.refresh()  # one version behind costs what changed, not the collection


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
