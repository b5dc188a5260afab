"""Fail closed: no local command without an endpoint on this machine (issue: the local cloud)."""

import pytest

from instep.local.guard import EndpointNotLocal, require_local_endpoint
from instep.local.target import Target

LOCAL = "http://127.0.0.1:4566"


@pytest.mark.parametrize("endpoint", [LOCAL, "http://localhost:80", "http://[::1]:4566"])
def test_a_loopback_endpoint_passes(endpoint: str) -> None:
    assert require_local_endpoint({"AWS_ENDPOINT_URL": endpoint}) == endpoint


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "instep up"),
        ({"AWS_ENDPOINT_URL": ""}, "instep up"),
        ({"AWS_ENDPOINT_URL": "https://dynamodb.eu-west-1.amazonaws.com"}, "not on this machine"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1.example.com"}, "not on this machine"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1@example.com"}, "not on this machine"),
        ({"AWS_ENDPOINT_URL": "file:///127.0.0.1"}, "not on this machine"),
        ({"AWS_ENDPOINT_URL": LOCAL, "AWS_ENDPOINT_URL_S3": "https://x.org"}, "ENDPOINT_URL_S3"),
        ({"AWS_ENDPOINT_URL": LOCAL, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "TRUE"}, "unset it"),
    ],
)
def test_whatever_could_leave_the_machine_is_refused(environ: dict[str, str], says: str) -> None:
    with pytest.raises(EndpointNotLocal, match=says):
        require_local_endpoint(environ)


def test_the_process_own_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with pytest.raises(EndpointNotLocal):
        require_local_endpoint()
    monkeypatch.setenv("AWS_ENDPOINT_URL", LOCAL)
    assert require_local_endpoint() == LOCAL


def test_a_local_target_makes_no_client_that_would_leave() -> None:
    astray = Target({"AWS_ENDPOINT_URL": "https://sts.amazonaws.com"}, local=True)
    with pytest.raises(EndpointNotLocal):
        astray.client("s3")
