"""Bytes are counted, all of them and once."""

from benchmarks.endpoint import Endpoint, copy_bucket, empty_bucket, keys_under
from benchmarks.traffic import ClientTraffic, Relay


def test_bodies_up_and_down_are_counted_and_a_head_has_none(endpoint: Endpoint) -> None:
    client = endpoint.s3()
    empty_bucket(client, "traffic")
    traffic = ClientTraffic(client)
    client.put_object(Bucket="traffic", Key="a", Body=b"x" * 5_000)
    client.head_object(Bucket="traffic", Key="a")
    sent = traffic.reading()
    assert (sent.up, sent.requests) == (5_000, 2)
    assert sent.down < 500
    client.get_object(Bucket="traffic", Key="a")["Body"].read()
    assert traffic.reading().down - sent.down == 5_000


def test_a_relay_hands_every_byte_on_and_counts_headers_too(endpoint: Endpoint) -> None:
    with Relay(endpoint.address).running() as relay:
        client = Endpoint(relay.endpoint).s3()
        empty_bucket(client, "relayed")
        before = relay.reading()
        client.put_object(Bucket="relayed", Key="a", Body=b"x" * 300_000)
        body = client.get_object(Bucket="relayed", Key="a")["Body"].read()
        after = relay.reading()
    assert body == b"x" * 300_000
    for moved in (after.up - before.up, after.down - before.down):
        assert 300_000 < moved < 304_000


def test_a_copied_bucket_holds_the_same_and_is_another(endpoint: Endpoint) -> None:
    client = endpoint.s3()
    for bucket in ("original", "copied"):
        empty_bucket(client, bucket)
    client.put_object(Bucket="copied", Key="stale", Body=b"")
    client.put_object(Bucket="original", Key="words/HEAD", Body=b"1")
    copy_bucket(client, "original", "copied")
    client.put_object(Bucket="copied", Key="words/HEAD", Body=b"2")
    assert keys_under(client, "copied", "") == ["words/HEAD"]
    assert client.get_object(Bucket="original", Key="words/HEAD")["Body"].read() == b"1"
