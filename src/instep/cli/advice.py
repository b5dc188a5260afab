"""What to do next when AWS cannot be asked, or says no."""

from typing import Final

_CREDENTIALS: Final = "set AWS_PROFILE, or sign in (aws sso login, aws configure)"

_OF_CODES: Final = {
    "AccessDenied": "these credentials may not do that: use another AWS_PROFILE",
    "AccessDeniedException": "these credentials may not do that: use another AWS_PROFILE",
    "ExpiredToken": f"the credentials are too old: {_CREDENTIALS}",
    "ExpiredTokenException": f"the credentials are too old: {_CREDENTIALS}",
    "RequestExpired": f"the credentials are too old, or this machine's clock: {_CREDENTIALS}",
    "InvalidClientTokenId": f"AWS does not know these credentials: {_CREDENTIALS}",
    "UnrecognizedClientException": f"AWS does not know these credentials: {_CREDENTIALS}",
    "SignatureDoesNotMatch": f"AWS does not know these credentials: {_CREDENTIALS}",
}
_OF_KINDS: Final = {
    "NoCredentialsError": _CREDENTIALS,
    "PartialCredentialsError": _CREDENTIALS,
    "ProfileNotFound": "see `aws configure list-profiles`",
    "NoRegionError": "set AWS_REGION",
    "EndpointConnectionError": "is there a network, and is AWS_REGION a region's name?",
    "ConnectTimeoutError": "is there a network, and is AWS_REGION a region's name?",
    "SSOTokenLoadError": _CREDENTIALS,
    "TokenRetrievalError": _CREDENTIALS,
    "UnauthorizedSSOTokenError": _CREDENTIALS,
}


def advised(error: Exception) -> str:
    """Return an error's message, with what to do next where botocore does not say it."""
    answer = getattr(error, "response", None)
    code = answer.get("Error", {}).get("Code", "") if isinstance(answer, dict) else ""
    advice = _OF_CODES.get(code) or _OF_KINDS.get(type(error).__name__)
    message = str(error).rstrip(".")
    return f"{message}: {advice}" if advice else str(error)
