"""The arithmetic of a month's bill, against sums done by hand."""

import pytest

from instep.costs.prices import (
    MONTH_SECONDS,
    a_month,
    added,
    bill,
    chunks,
    express_gb_seconds,
    lambda_gb_seconds,
    stream_calls,
)


def test_a_bill_is_amount_times_price_item_by_item() -> None:
    used = {
        "transitions": 40_000,  # at 0.025 a thousand
        "express_requests": 2_000_000,  # at 1 a million
        "lambda_requests": 5_000_000,  # at 0.20 a million
        "lambda_gb_s": 300_000,  # at 0.0000133334
        "s3_put": 100_000,  # at 0.005 a thousand
        "s3_get": 1_000_000,  # at 0.0004 a thousand
        "dynamodb_write": 8_000_000,  # at 0.625 a million
        "sqs": 10_000_000,  # at 0.40 a million
        "log_gb": 3,  # at 0.50
    }
    assert bill(used) == pytest.approx(
        {
            "transitions": 1.0,
            "express_requests": 2.0,
            "lambda_requests": 1.0,
            "lambda_gb_s": 4.00002,
            "s3_put": 0.5,
            "s3_get": 0.4,
            "dynamodb_write": 5.0,
            "sqs": 4.0,
            "log_gb": 1.5,
        }
    )


def test_what_has_no_price_is_no_free_item() -> None:
    with pytest.raises(KeyError):
        bill({"transition": 1})


def test_nineteen_transitions_a_second_are_twelve_hundred_dollars_a_month() -> None:
    """A round of two collections, back to back: 19 x 2,628,000 x 0.000025."""
    assert bill(a_month({"transitions": 19}, seconds=1)) == {"transitions": pytest.approx(1248.3)}
    assert a_month({"sqs": 3}, seconds=MONTH_SECONDS / 2) == {"sqs": 6}


def test_usages_add_up_item_by_item() -> None:
    assert added({"sqs": 1, "s3_put": 2}, {"sqs": 3}, {}) == {"sqs": 4, "s3_put": 2}


def test_a_call_is_billed_by_whole_milliseconds_and_the_memory_it_was_given() -> None:
    assert lambda_gb_seconds(100, 1_024) == pytest.approx(0.1)
    assert lambda_gb_seconds(0.2, 512) == pytest.approx(0.0005)


def test_an_express_execution_is_billed_by_tenths_of_a_second_and_64_mb() -> None:
    assert express_gb_seconds(0.32) == pytest.approx(0.4 * 64 / 1024)
    assert express_gb_seconds(0.3) == pytest.approx(0.3 * 64 / 1024)
    assert express_gb_seconds(1.0, memory_mb=65) == pytest.approx(128 / 1024)


@pytest.mark.parametrize(("size", "billed"), [(0, 1), (65_536, 1), (65_537, 2), (1_048_576, 16)])
def test_a_payload_is_billed_by_64_kb(size: int, billed: int) -> None:
    assert chunks(size) == billed


def test_a_stream_calls_once_a_window_and_shard_at_most() -> None:
    assert stream_calls(120, seconds=120, window=0) == 120
    assert stream_calls(120, seconds=120, window=1) == 120
    assert stream_calls(120, seconds=120, window=10) == 48
