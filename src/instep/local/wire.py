"""An HTTP request recognized as an AWS call: service, operation, and which function makes it.

The bootstrap puts the function's pid into the SDK's application id, so into the User-Agent.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class AwsCall:
    """One AWS call as seen on the wire: `function` is the caller's name, empty when no function."""

    service: str
    operation: str
    path: str
    body: bytes
    function: str
    pid: int | None


def read_call(method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> AwsCall:
    """Recognize the AWS call in an HTTP request, and the function process that makes it."""
    given = {name.lower(): value for name, value in headers}
    scope = given.get("authorization", "").partition("Credential=")[2].split("/")
    service = scope[3] if len(scope) > 3 else ""  # key/date/region/service/aws4_request
    target = given.get("x-amz-target", "").rpartition(".")[2]
    agent = given.get("user-agent", "").partition("app/pid.")[2].split(" ")[0]
    pid = int(agent) if agent.isdecimal() else None
    operation = target or _s3_operation(method, path)
    return AwsCall(service, operation, path, body, _function_of(pid), pid)


def _s3_operation(method: str, path: str) -> str:
    parts = urlsplit(path)
    query = parse_qs(parts.query, keep_blank_values=True)
    key = parts.path.lstrip("/").partition("/")[2]
    if method == "POST" and "delete" in query:
        return "DeleteObjects"
    if not key:
        return {"GET": "ListObjectsV2", "HEAD": "HeadBucket"}.get(method, method)
    return {"POST": "CreateMultipartUpload"}.get(method, f"{method.title()}Object")


def _function_of(pid: int | None) -> str:
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return ""
    for entry in environ.split(b"\0"):
        name, _, value = entry.partition(b"=")
        if name == b"AWS_LAMBDA_FUNCTION_NAME":
            return value.decode()
    return ""
