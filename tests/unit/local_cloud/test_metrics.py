"""EMF lines are summed as CloudWatch would: by name, in one namespace."""

import json

from instep.local.metrics import metric_sums


def emf(namespace: str, **values: object) -> str:
    metrics = [{"Name": name, "Unit": "Count"} for name in values]
    directive = {"Namespace": namespace, "Dimensions": [["service"]], "Metrics": metrics}
    return json.dumps({"_aws": {"Timestamp": 1, "CloudWatchMetrics": [directive]}, **values})


def test_counts_are_summed_over_lines_and_values() -> None:
    lines = [
        "START RequestId: 1",
        emf("EmbeddingWorkflow", MessagesQueued=2, MessagesGenerated=[3.0, 4.0]),
        emf("EmbeddingWorkflow", MessagesQueued=[5.0]),
        emf("SomebodyElse", MessagesQueued=100),
        '{"_aws" is not JSON',
        '["a list with \\"_aws\\" in it"]',
    ]
    assert metric_sums(lines) == {"MessagesQueued": 7, "MessagesGenerated": 7}
