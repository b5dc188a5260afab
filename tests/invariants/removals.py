"""The lines that hold the invariants of docs/design.md, and what notices when one is gone.

Each removal is a line of the product, what stands in its place when it is taken out, and the tests
that must then fail. tests/invariants/test_removals.py takes them out, one at a time.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Removal:
    """`line` (leading spaces left out, once in `file`) becomes `without`, and `tests` fail."""

    invariant: int
    file: str
    line: str
    without: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.invariant}-{self.file.rpartition('/')[2]}-{self.line[:40]}"


REMOVALS: Final = (
    # 1: an acknowledged change is in the head, in the queue, or in the DLQ with its reason
    Removal(
        1,
        "src/instep/lambda_/handlers/settle_batch.py",
        "return_records(inbox, deliveries, settlement, request.execution)",
        "inbox.delete(settlement.acknowledge)\n"
        "        return_records(inbox, deliveries, settlement, request.execution)",
        (
            "tests/integration/test_acknowledgement.py"
            "::test_settle_batch_keeps_a_rejected_delta_that_the_dlq_did_not_take",
        ),
    ),
    Removal(
        1,
        "src/instep/lambda_/handlers/parse_batch.py",
        "rejected = self.inbox.reject(intake.poison, answer.execution)",
        "self.inbox.delete(intake.finished)\n"
        "        rejected = self.inbox.reject(intake.poison, answer.execution)",
        (
            "tests/integration/test_acknowledgement.py"
            "::test_parse_batch_keeps_poison_that_the_dlq_did_not_take",
        ),
    ),
    Removal(
        1,
        "src/instep/flow/settlement.py",
        "settlement.refuse.append(Refusal(at, collection, verdict.reason, attempts + 1))",
        "pass",
        ("tests/unit/flow/test_settlement.py::test_no_record_is_ever_without_a_place",),
    ),
    Removal(
        1,
        "src/instep/flow/settlement.py",
        "settlement.resend[again].append(at)",
        "pass",
        ("tests/unit/flow/test_settlement.py::test_no_record_is_ever_without_a_place",),
    ),
    Removal(
        1,
        "src/instep/snapshot/acts/workspace.py",
        "refuse_lost_head(store)",
        "pass",
        ("tests/faults/test_bad_databases.py::test_a_lost_head_is_no_empty_collection",),
    ),
    # 2: HEAD names a complete, verified, openable snapshot
    Removal(
        2,
        "src/instep/snapshot/copy/store.py",
        "future.result()",
        "future.exception()",
        (
            "tests/unit/snapshot/test_wholeness.py"
            "::test_a_pack_that_was_not_stored_is_named_by_no_version",
        ),
    ),
    Removal(
        2,
        "src/instep/snapshot/format/manifest.py",
        "parse(body)",
        "pass",
        (
            "tests/unit/snapshot/test_manifest.py"
            "::test_a_manifest_that_breaks_an_invariant_is_never_written",
        ),
    ),
    Removal(
        2,
        "src/instep/snapshot/format/pack.py",
        "if sha256(body).hexdigest() != expected:",
        "if not body:",
        ("tests/unit/snapshot/test_pack.py::test_bytes_of_another_name_are_not_looked_at",),
    ),
    Removal(
        2,
        "src/instep/snapshot/acts/sweep.py",
        "versions.read(store)  # a rollback may have named old packs anew since, or a tag",
        "pass",
        ("tests/faults/test_sweep_rivals.py::test_a_rollback_at_every_call_of_a_sweep",),
    ),
    Removal(
        2,
        "src/instep/snapshot/acts/rollback.py",
        "_require_whole(store, _find(store, old.version))",
        "_require_whole(store, old)",
        (
            "tests/faults/test_sweep_rivals.py"
            "::test_a_sweep_and_a_rollback_in_every_order_of_their_calls_with_four_changes",
        ),
    ),
    Removal(
        2,
        "src/instep/snapshot/acts/retention.py",
        "and not (one.parent == head and one not in history)",
        "and one.parent",
        (
            "tests/unit/snapshot/test_sweep.py"
            "::test_a_writer_that_paused_for_a_year_may_still_publish",
        ),
    ),
    # 3: two publishers never both succeed from one parent
    Removal(
        3,
        "src/instep/aws/objects.py",
        "return self._conditionally(key, body, IfMatch=etag)",
        "return self._conditionally(key, body)",
        (
            "tests/faults/test_publish.py::test_a_412_is_a_conflict_that_names_who_was_first",
            "tests/faults/test_publish.py::test_the_predecessors_loss_cannot_happen",
        ),
    ),
    Removal(
        3,
        "src/instep/aws/objects.py",
        'return self._conditionally(key, body, IfNoneMatch="*")',
        "return self._conditionally(key, body)",
        (
            "tests/unit/snapshot/test_objects.py::test_the_first_to_create_wins_and_the_second_sees_it",
        ),
    ),
    # 4: after the queue drains, every embedding carries exactly what the table says
    Removal(
        4,
        "receipts/receipt_chroma/compaction/truth.py",
        "gone |= checked - gone - words.existing",
        "pass",
        (
            "tests/unit/compaction/test_removal.py"
            "::test_removing_a_word_or_a_line_removes_that_embedding",
        ),
    ),
    Removal(
        4,
        "receipts/receipt_chroma/compaction/truth.py",
        "gone = {one for one in known if one.receipt in removed}",
        "gone = set()",
        (
            "tests/unit/compaction/test_removal.py"
            "::test_removing_a_receipt_removes_all_also_when_its_words_are_still_there",
        ),
    ),
    Removal(
        4,
        "receipts/receipt_chroma/compaction/truth.py",
        "items = self.labels.get(one)",
        "items = None",
        (
            "tests/unit/compaction/test_labels.py"
            "::test_a_word_with_no_label_left_has_none_of_the_fields",
        ),
    ),
    Removal(
        4,
        "receipts/receipt_chroma/compaction/truth.py",
        "parts.append(self.merchants[one.receipt])",
        "pass",
        (
            "tests/unit/compaction/test_metadata.py"
            "::test_when_place_goes_metadata_counts_again_and_without_either_the_keys_are_gone",
        ),
    ),
    # 5: readers never wait and never see half a version
    Removal(
        5,
        "src/instep/snapshot/copy/store.py",
        "ready.extend(prepare(plan, bodies, done) for plan in plans)",
        "for plan in plans:\n"
        "                    ready.append(prepare(plan, bodies, done))\n"
        "                    ready[-1].commit()",
        (
            "tests/unit/snapshot/test_wholeness.py"
            "::test_a_refresh_cut_off_at_the_last_file_leaves_every_file_of_the_copy",
        ),
    ),
    Removal(
        5,
        "src/instep/snapshot/copy/pulled.py",
        "store.materialise(version, copy, progress)",
        "store.materialise(version, directory, progress)",
        ("tests/unit/snapshot/test_reader.py::test_pulling_appears_whole_or_not_at_all",),
    ),
    Removal(
        5,
        "src/instep/snapshot/copy/pulled.py",
        "if digest.hex() != layer.digest:",
        "if layer is None:",
        ("tests/unit/snapshot/test_locations.py::test_what_was_damaged_since_is_not_read",),
    ),
    Removal(
        5,
        "src/instep/snapshot/copy/reader.py",
        "if self._copy.state() != ready.since:  # somebody wrote into the copy meanwhile",
        "if ready is None:",
        (
            "tests/unit/snapshot/test_reader_turns.py"
            "::test_what_is_written_into_the_copy_while_it_fetches_is_gone_too",
        ),
    ),
    # 6: cost follows the change, not the collection
    Removal(
        6,
        "src/instep/snapshot/acts/workspace.py",
        "return _same_content(self._manifest.facts, facts)",
        "return False",
        (
            "tests/unit/snapshot/test_workspace.py::test_reading_alone_stages_nothing_and_sends_nothing",
        ),
    ),
    Removal(
        6,
        "src/instep/snapshot/acts/workspace.py",
        "copy.bring_to(store, manifest, frozenset({SQLITE}))",
        "copy.bring_to(store, manifest, frozenset(manifest.files))",
        ("tests/unit/snapshot/test_fold.py::test_writing_goes_on_after_a_fold_without_the_index",),
    ),
    Removal(
        6,
        "src/instep/snapshot/acts/shipping.py",
        "if entry is None or _wants_base(entry, change, base_share):",
        "if entry is None or _wants_base(entry, change, 0.0):",
        ("tests/unit/snapshot/test_workspace.py::test_a_first_version_and_increments_on_it",),
    ),
    Removal(
        6,
        "src/instep/difference.py",
        "if not _same(have.metadata.get(key), value)",
        "if value is not _same",
        (
            "tests/unit/compaction/test_labels.py::test_what_a_word_carries_already_is_not_written_again",
        ),
    ),
    Removal(
        6,
        "receipts/receipt_chroma/compaction/words.py",
        "if not through or units > DEAREST * sum(map(self._reads, words[:through])):",
        "if not through:",
        (
            "tests/unit/compaction/test_reads.py"
            "::test_letters_between_the_words_are_read_only_while_they_cost_little",
        ),
    ),
    # 7: while nothing has crashed, an acknowledged change never waits for the schedule
    Removal(
        7,
        "src/instep/flow/runner.py",
        '"runner = :me AND queued = :queued",',
        '"runner = :me AND (queued = :queued OR NOT queued = :queued)",',
        (
            "tests/unit/flow/test_runner.py"
            "::test_what_is_queued_after_a_look_began_keeps_the_runner_from_ending",
        ),
    ),
    Removal(
        7,
        "src/instep/lambda_/looking.py",
        "more = bool(left.visible or (hidden and patient))",
        "more = bool(left.visible)",
        (
            "tests/integration/test_failures.py::test_what_failed_twice_is_waited_for_inside_the_run",
            "tests/integration/test_failures.py::test_a_busy_lease_is_waited_for_inside_the_run",
        ),
    ),
    # 8: one bad item harms itself alone
    Removal(
        8,
        "src/instep/lambda_/intake.py",
        "self.poison.append(_rejection(piece, str(rejected)))",
        "raise",
        ("tests/unit/flow/test_intake.py::test_one_bad_record_does_not_take_its_message_with_it",),
    ),
    Removal(
        8,
        "src/instep/chroma/collection.py",
        "good, refused = sift(changes, _dimension(collection) if changes.adds else None)",
        "good, refused = changes, {}",
        (
            "tests/unit/compaction/test_bad_items.py"
            "::test_a_thousand_changes_with_ten_bad_ones_of_each_kind",
        ),
    ),
)
