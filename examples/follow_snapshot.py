"""Follow a collection: keep a copy that comes up to the head when asked, and look back in time.

    python examples/follow_snapshot.py s3://my-bucket ./copies

The copy in the folder stays, so the next start fetches only what is new, and several readers, in
threads or in processes, may use the folder at once. Each line you enter refreshes; an empty one
ends. After `eval "$(instep env)"` the local cloud's bucket is "s3://$CHROMADB_BUCKET".
"""

import sys

from instep import open_snapshot


def main(location: str, directory: str) -> None:
    """Print how many words there are, now and after each refresh, and then as it began."""
    with open_snapshot(location, "words", directory=directory, progress=tell) as snapshot:
        words, first = snapshot.collection, snapshot.version
        print(f"{first}: {words.count()} words")
        for _ in iter(sys.stdin.readline, "\n"):
            if snapshot.refresh(tell):  # fetches what changed; `words` stays good
                print(f"{snapshot.version}: {words.count()} words")
            else:
                print("nothing new")
    with open_snapshot(location, "words", at=first) as snapshot:
        print(f"it began with {snapshot.collection.count()}")


def tell(done: int, total: int) -> None:
    """Say how much of a fetch is there."""
    print(f"{done:,} of {total:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
