"""All that a stack of ours can leave in an account, by kind and name."""

from typing import Any

from instep.local.target import Target

_LISTED: tuple[tuple[str, str, str, str], ...] = (
    ("s3", "list_buckets", "Buckets", "Name"),
    ("dynamodb", "list_tables", "TableNames", ""),
    ("sqs", "list_queues", "QueueUrls", ""),
    ("lambda", "list_functions", "Functions", "FunctionName"),
    ("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
    ("stepfunctions", "list_state_machines", "stateMachines", "name"),
    ("events", "list_rules", "Rules", "Name"),
    ("scheduler", "list_schedules", "Schedules", "Name"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("iam", "list_policies", "Policies", "PolicyName"),
)


def inventory(target: Target) -> set[tuple[str, str]]:
    """Return (listing, name) of everything there is."""
    found: set[tuple[str, str]] = set()
    for service, call, key, name in _LISTED:
        client: Any = target.client(service)
        options = {"Scope": "Local"} if call == "list_policies" else {}
        pages: list[Any] = (
            list(client.get_paginator(call).paginate(**options))
            if client.can_paginate(call)
            else [getattr(client, call)(**options)]
        )
        for page in pages:
            found |= {(key, one[name] if name else one) for one in page.get(key, [])}
    return found
