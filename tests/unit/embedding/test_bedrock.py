"""Bedrock's models by the shapes and messages that AWS documents and users met; no real account.

The longer messages are as reported: what a text too long is answered with, by each model.
"""

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from threading import Barrier, Lock
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
)
from botocore.response import StreamingBody
from botocore.stub import Stubber

from instep.chroma.carriable import Refusal
from instep.embedding.bedrock import Cohere, Titan
from instep.embedding.embedder import Embedder
from instep.embedding.halving import PLAIN
from instep.errors import EmbedderBroken, EmbedderUnavailable

TITAN = "amazon.titan-embed-text-v2:0"
ENGLISH = "cohere.embed-english-v3"
TOO_LONG_FOR_TITAN = (
    "400 Bad Request: Too many input tokens. Max input tokens: 8192, request input token "
    "count: 9875"
)
TOO_LONG_FOR_COHERE = (
    "Malformed input request: #/texts/{}: expected maxLength: 2048, actual: {}, please reformat "
    "your input and try again."
)
NO_MODEL = "The provided model identifier is invalid."


def body(content: object) -> dict[str, Any]:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {"body": StreamingBody(BytesIO(raw), len(raw)), "contentType": "application/json"}


def refused(code: str, message: str = "said", status: int = 400) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},  # type: ignore[typeddict-item]
        },
        "InvokeModel",
    )


class Service:
    """Answers each request by a function of its body, which may raise; counts what it was asked."""

    def __init__(self, answer: Callable[[dict[str, Any]], object]) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []
        self._lock = Lock()

    def invoke_model(self, **request: Any) -> Mapping[str, Any]:
        content = json.loads(request["body"])
        with self._lock:
            self.asked.append(content)
        return body(self.answer(content))


def raising(error: Exception) -> Service:
    def answer(_: dict[str, Any]) -> object:
        raise error

    return Service(answer)


def titan(content: dict[str, Any]) -> object:
    text, width = content["inputText"], content["dimensions"]
    if len(text) > 20:
        raise refused("ValidationException", TOO_LONG_FOR_TITAN)
    vector = [float(len(text))] * width
    return {
        "embedding": vector,
        "inputTextTokenCount": 3,
        "embeddingsByType": {"float": vector},
    }


def cohere(content: dict[str, Any]) -> object:
    texts = content["texts"]
    assert len(texts) <= 96
    for at, text in enumerate(texts):
        if len(text) > 2048:
            raise refused("ValidationException", TOO_LONG_FOR_COHERE.format(at, len(text)))
    return {
        "embeddings": [[float(len(text))] * 1024 for text in texts],
        "id": "7a5c0e9e",
        "response_type": "embeddings_floats",
        "texts": texts,
    }


def stubbed() -> tuple[Any, Stubber]:
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    return client, Stubber(client)


def expected(model: str, content: object) -> dict[str, Any]:
    return {
        "modelId": model,
        "body": json.dumps(content).encode(),
        "contentType": "application/json",
        "accept": "application/json",
    }


def test_titan_by_boto3_is_asked_a_text_a_request() -> None:
    client, stub = stubbed()
    asked = {"inputText": "milk", "dimensions": 256, "normalize": False}
    stub.add_response("invoke_model", body(titan({**asked})), expected(TITAN, asked))
    with stub:
        (vector,) = Titan(dimensions=256, normalize=False, runtime=client).embed(["milk"])
    assert vector == [4.0] * 256
    stub.assert_no_pending_responses()


@pytest.mark.parametrize("purpose", ["document", "query"])
def test_cohere_by_boto3_is_asked_all_texts_at_once(purpose: Any) -> None:
    client, stub = stubbed()
    asked = {"texts": ["milk", "eggs!"], "input_type": f"search_{purpose}", "truncate": "END"}
    stub.add_response("invoke_model", body(cohere(asked)), expected(ENGLISH, asked))
    with stub:
        embedder = Cohere(ENGLISH, truncate="END", purpose=purpose, runtime=client)
        vectors = embedder.embed(["milk", "eggs!"])
    assert vectors == [[4.0] * 1024, [5.0] * 1024]
    stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 429),
        ("ModelNotReadyException", 429),
        ("ModelTimeoutException", 408),
        ("ModelErrorException", 424),
        ("ServiceQuotaExceededException", 400),
        ("InternalServerException", 500),
        ("ServiceUnavailableException", 503),
    ],
)
def test_what_a_retry_can_cure_is_unavailable(code: str, status: int) -> None:
    client, stub = stubbed()
    stub.add_client_error("invoke_model", code, "busy", status)
    with stub, pytest.raises(EmbedderUnavailable, match=f"{TITAN}: .*{code}"):
        Titan(runtime=client).embed(["milk"])


EITHER = pytest.mark.parametrize(
    "made", [lambda it: Titan(runtime=it), lambda it: Cohere(ENGLISH, runtime=it)]
)


@EITHER
@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="https://bedrock"),
        ConnectTimeoutError(endpoint_url="https://bedrock"),
        EndpointConnectionError(endpoint_url="https://bedrock"),
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ],
)
def test_silence_is_unavailable(made: Callable[[Any], Embedder], error: Exception) -> None:
    with pytest.raises(EmbedderUnavailable):
        made(raising(error)).embed(["milk"])


def test_an_answer_that_breaks_off_is_unavailable() -> None:
    class Cut:
        def invoke_model(self, **_: Any) -> Mapping[str, Any]:
            return {"body": StreamingBody(BytesIO(b'{"embedding"'), 5000)}

    with pytest.raises(EmbedderUnavailable):
        Titan(runtime=Cut()).embed(["milk"])


@EITHER
@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException"])
def test_what_no_retry_cures_goes_up_as_it_is(made: Callable[[Any], Embedder], code: str) -> None:
    service = raising(refused(code, "not allowed", 403))
    with pytest.raises(ClientError, match=code):
        made(service).embed(["milk"])


@EITHER
def test_a_model_that_refuses_everything_blames_no_text(made: Callable[[Any], Embedder]) -> None:
    service = raising(refused("ValidationException", NO_MODEL))
    with pytest.raises(EmbedderBroken, match=NO_MODEL):
        made(service).embed(["milk", "bread"])


@EITHER
@pytest.mark.parametrize("content", [{}, [], b"", b"\xff", {"embedding": None, "embeddings": 1}])
def test_an_answer_of_another_shape_is_broken(
    made: Callable[[Any], Embedder], content: object
) -> None:
    with pytest.raises(EmbedderBroken, match="answers with"):
        made(Service(lambda _: content)).embed(["milk"])


def test_a_text_too_long_for_titan_is_refused_alone() -> None:
    service = Service(titan)
    texts = ["milk", "x" * 21, "bread"]
    answers = Titan(runtime=service).embed(texts)
    assert [answers[0], answers[2]] == [[4.0] * 1024, [5.0] * 1024]
    assert isinstance(answers[1], Refusal)
    assert TOO_LONG_FOR_TITAN in answers[1].reason
    assert sorted(one["inputText"] for one in service.asked) == sorted([*texts, PLAIN])


def test_titan_is_asked_side_by_side_and_no_more_than_eight_times_at_once() -> None:
    together, now, most = Barrier(8, timeout=30), 0, 0
    lock = Lock()

    def answer(content: dict[str, Any]) -> object:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        together.wait()  # eight at once, or nobody goes on
        with lock:
            now -= 1
        return titan(content)

    texts = [f"text {n}" + "." * (n % 10) for n in range(64)]
    vectors = Titan(dimensions=256, runtime=Service(answer)).embed(texts)
    assert vectors == [[float(len(text))] * 256 for text in texts]
    assert most == 8


@pytest.mark.parametrize("long", [[0], [95], [3, 4, 50], range(0, 96, 4), range(96)])
def test_texts_too_long_for_cohere_are_found_and_the_others_keep_their_vectors(long: Any) -> None:
    service = Service(cohere)
    texts = ["x" * (3000 if n in long else n + 1) for n in range(96)]
    answers = Cohere(ENGLISH, runtime=service).embed(texts)
    for n, answer in enumerate(answers):
        if n in long:
            assert isinstance(answer, Refusal)
            assert "expected maxLength: 2048, actual: 3000" in answer.reason
        else:
            assert answer == [float(n + 1)] * 1024
    assert len(service.asked) <= 2 + 2 * 7 * len(long)  # halves of 96, for each


def test_no_text_too_long_is_one_request() -> None:
    service = Service(cohere)
    Cohere(ENGLISH, runtime=service).embed(["milk"] * 96)
    assert len(service.asked) == 1


@pytest.mark.parametrize("vector", [[1.0] * 255, [1.0] * 1025, [], "no list", None])
def test_a_vector_of_another_width_than_asked_is_refused(vector: object) -> None:
    def answer(content: dict[str, Any]) -> object:
        texts = content["texts"]
        wrong = [vector] if len(texts) > 1 else []
        return {"embeddings": [*([[0.5] * 1024] * (len(texts) - len(wrong))), *wrong]}

    answers = Cohere(ENGLISH, runtime=Service(answer)).embed(["milk", "bread"])
    assert answers[0] == [0.5] * 1024
    assert isinstance(answers[1], Refusal)
    assert "not with 1024 numbers" in answers[1].reason


def test_a_titan_vector_of_another_width_is_refused_without_doubting_the_model() -> None:
    service = Service(lambda _: {"embedding": [1.0] * 512})
    (answer,) = Titan(dimensions=256, runtime=service).embed(["milk"])
    assert answer == Refusal("the embedder answers with 512 numbers, not with 256 numbers")
    assert len(service.asked) == 1


def test_fewer_vectors_than_texts_are_broken() -> None:
    service = Service(lambda _: {"embeddings": [[1.0] * 1024]})
    with pytest.raises(EmbedderBroken, match="2 texts with 1 vectors"):
        Cohere(ENGLISH, runtime=service).embed(["milk", "bread"])
