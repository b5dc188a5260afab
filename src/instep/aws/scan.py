"""The whole table as a domain reads it: which items, and which of their attributes."""

from typing import Any

from instep.domain import Domain


def scan_of(table: str, domain: Domain) -> dict[str, Any]:
    """Return what a Scan for the domain's items asks; the caller adds how it goes through them."""
    names = {f"#{index}": name for index, name in enumerate(domain.reads)}
    request: dict[str, Any] = {
        "TableName": table,
        "ProjectionExpression": ", ".join(names),
        "ExpressionAttributeNames": names,
    }
    if domain.scan_filter is not None:
        attribute, prefix = domain.scan_filter
        request["FilterExpression"] = "begins_with(#of, :prefix)"
        request["ExpressionAttributeNames"] = {**names, "#of": attribute}
        request["ExpressionAttributeValues"] = {":prefix": {"S": prefix}}
    return request
