"""What an execution put into the DLQ, and for which reasons."""

from collections import Counter

from instep.cli.dead_letters import letter_of, peek
from instep.cli.letters import AT_MOST, PATIENCE
from instep.cli.session import Session


def reasons_of(session: Session, execution: str) -> Counter[str]:
    """Count the reasons for which an execution rejected records, among the first thousand letters
    of the DLQ; they stay there.
    """
    letters = map(letter_of, peek(session.sqs, session.deployment.dlq_url, AT_MOST, PATIENCE))
    return Counter(letter.reason for letter in letters if letter.execution == execution)
