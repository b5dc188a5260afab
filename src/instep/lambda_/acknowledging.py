"""Let go of what a round took, once all that replaces it is stored: the last act of SettleBatch.

Whoever settles may never have been the runner (pasted records), or be it no more. So whatever comes
back is announced as by anyone, after it is in the inbox: `instep.flow.runner`.
"""

from datetime import timedelta

from instep.flow.inbox import Inbox
from instep.flow.settlement import Settlement
from instep.flow.starter import Starter


def acknowledge(inbox: Inbox, starter: Starter, settlement: Settlement, caller: str) -> None:
    """Delete what is settled and hand the rest back; then say that it, and copies, come back."""
    inbox.delete(settlement.acknowledge)
    for seconds, handles in settlement.hand_back.items():
        inbox.hand_back(handles, seconds)
    back = sum(map(len, settlement.hand_back.values())) + len(settlement.resend)
    if back:
        starter.announce(back, caller, timedelta(seconds=settlement.waits))
