"""The two environments of the local cloud, both white lists: what its server gets, and what its
clients get. Nothing of the user's AWS configuration reaches either.
"""

import os
from pathlib import Path

REGION = "us-east-1"
ACCOUNT = "000000000000"

_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
_LOOPBACK_ONLY = "127.0.0.1,localhost"


def local_credentials(endpoint: str) -> dict[str, str]:
    """Return what makes any AWS SDK talk to `endpoint` and to nothing else, with dummy keys."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": _LOOPBACK_ONLY,
        "no_proxy": _LOOPBACK_ONLY,
    }


def client_environment(endpoint: str) -> dict[str, str]:
    """Return a whole process environment for a client: the caller's without its AWS settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("AWS_") and name.lower() not in {"http_proxy", "https_proxy"}
    }
    return kept | local_credentials(endpoint)


def server_environment(home: Path, port: int, functions_endpoint: str) -> dict[str, str]:
    """Return the whole environment of the server, and so of every function it starts.

    `functions_endpoint` is where functions find the cloud: the server itself, or a fault proxy
    before it. Everything the server writes lies under `home`.
    """
    scratch = home / "tmp"
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return (
        kept
        | local_credentials(functions_endpoint)
        | {
            "HOME": str(home),
            "TMPDIR": str(scratch),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "S3_DATA_DIR": str(home / "s3"),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
            "PYTHONUNBUFFERED": "1",
        }
    )
