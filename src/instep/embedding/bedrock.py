"""Amazon Bedrock's embedding models, one InvokeModel a request.

Shapes, limits and messages are those of the Bedrock user guide ("Amazon Titan Text Embeddings V2",
"Cohere Embed v3"); the tests run against such shapes, recorded. No real account was asked.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as ConnectionFailed

from instep.aws.aws_errors import is_transient
from instep.chroma.carriable import Refusal
from instep.embedding.halving import TextRefused, embedded_but_refused, prove, refusal
from instep.errors import EmbedderBroken, EmbedderUnavailable
from instep.json_text import NotJson, read_object

if TYPE_CHECKING:
    from instep.difference import Vector

Purpose: TypeAlias = Literal["document", "query"]
"""What a text is: some models make another vector of a question than of what answers it."""

TITAN: Final = "amazon.titan-embed-text-v2:0"
TITAN_WIDTHS: Final = (1024, 512, 256)
COHERE: Final = ("cohere.embed-english-v3", "cohere.embed-multilingual-v3")
COHERE_WIDTH: Final = 1024
COHERE_TRUNCATES: Final = ("NONE", "START", "END")

_TITAN_BATCH: Final = 64  # one text a request, so this is only what is parked together
_SIDE_BY_SIDE: Final = 8
_COHERE_BATCH: Final = 96
# Few tries here: what lasts longer is the workflow's to retry.
_CONFIG: Final = Config(
    connect_timeout=3,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=_SIDE_BY_SIDE,
)
_LATER: Final = frozenset(  # beside throttles and 5xx
    {"ModelErrorException", "ModelTimeoutException", "ServiceQuotaExceededException"}
)


class Runtime(Protocol):
    """What is asked of boto3's client `bedrock-runtime`."""

    def invoke_model(self, **request: Any) -> Mapping[str, Any]:
        """Take `modelId`, `body`, `contentType` and `accept`; return `{"body": stream, ...}`."""


class Titan:
    """Amazon Titan Text Embeddings V2: a text a request, several requests side by side."""

    batch = _TITAN_BATCH

    def __init__(
        self, *, dimensions: int = 1024, normalize: bool = True, runtime: Runtime | None = None
    ) -> None:
        self.name = f"bedrock:{TITAN}?dimensions={dimensions}&normalize={str(normalize).lower()}"
        self._options = {"dimensions": dimensions, "normalize": normalize}
        self._width = dimensions
        self._runtime = runtime

    def embed(self, texts: Sequence[str]) -> "Sequence[Vector | Refusal]":
        """Return a vector of `dimensions` floats a text; errors as `instep.embedding.embedder`."""
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            answers = list(pool.map(self._answer, texts))
        if any(isinstance(answer, _Refused) for answer in answers):
            prove(lambda plain: [self._ask(plain[0])])
        return answers

    def _answer(self, text: str) -> "Vector | Refusal":
        try:
            return _of_width(self._ask(text), self._width)
        except TextRefused as error:
            return _Refused(refusal(error).reason)

    def _ask(self, text: str) -> Any:
        answer = _invoke(self._runtime, TITAN, {"inputText": text, **self._options})
        return _member(TITAN, answer, "embedding")


class Cohere:
    """Cohere Embed v3 on Bedrock: 96 texts a request, which the service takes or refuses whole."""

    batch = _COHERE_BATCH

    def __init__(
        self,
        model: str,
        *,
        truncate: str = "NONE",
        purpose: Purpose = "document",
        runtime: Runtime | None = None,
    ) -> None:
        self.name = f"bedrock:{model}?truncate={truncate}"
        self._options = {"input_type": f"search_{purpose}", "truncate": truncate}
        self._model = model
        self._runtime = runtime

    def embed(self, texts: Sequence[str]) -> "Sequence[Vector | Refusal]":
        """Return a vector of 1,024 floats a text; errors as `instep.embedding.embedder`."""
        answers = embedded_but_refused(texts, self._ask)
        return [
            answer if isinstance(answer, Refusal) else _of_width(answer, COHERE_WIDTH)
            for answer in answers
        ]

    def _ask(self, texts: Sequence[str]) -> "Sequence[Vector]":
        answer = _invoke(self._runtime, self._model, {"texts": list(texts), **self._options})
        vectors = _member(self._model, answer, "embeddings")
        if len(vectors) != len(texts):
            raise EmbedderBroken(
                f"{self._model} answered {len(texts)} texts with {len(vectors)} vectors"
            )
        return vectors


class _Refused(Refusal):
    """The service itself refused this text, or whatever it is asked."""


def _of_width(vector: Any, width: int) -> "Vector | Refusal":
    """Return a vector, or why it cannot be the text's: another width than asked for."""
    if isinstance(vector, list) and len(vector) == width:
        return vector
    size = f"{len(vector)} numbers" if isinstance(vector, list) else f"a {type(vector).__name__}"
    return Refusal(f"the embedder answers with {size}, not with {width} numbers")


def _invoke(runtime: Runtime | None, model: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model answers.

    TextRefused for a request it does not take, EmbedderUnavailable for what a retry can cure.
    """
    with _service(model):
        answer = (runtime or _client()).invoke_model(
            modelId=model,
            body=json.dumps(request).encode(),
            contentType="application/json",
            accept="application/json",
        )
        body = answer["body"].read()
    try:
        return read_object(body.decode())
    except (NotJson, UnicodeDecodeError) as error:
        raise EmbedderBroken(f"{model} answers with what is no JSON object: {error}") from error


@contextmanager
def _service(model: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        said = error.response["Error"]
        if said["Code"] == "ValidationException":
            raise TextRefused(said["Message"]) from error
        if is_transient(error) or said["Code"] in _LATER:
            raise EmbedderUnavailable(f"{model}: {error}") from error
        raise
    except (ConnectionFailed, HTTPClientError, IncompleteReadError) as error:
        raise EmbedderUnavailable(f"{model}: {error}") from error


def _member(model: str, answer: Mapping[str, Any], name: str) -> list[Any]:
    found = answer.get(name)
    if not isinstance(found, list):
        raise EmbedderBroken(f"{model} answers without a list {name!r}: {sorted(answer)!r:.200}")
    return found


@cache
def _client() -> Runtime:
    client: Runtime = boto3.client("bedrock-runtime", config=_CONFIG)
    return client
