"""What the gateway says, version 1."""

from contracts.message import AccountId, Event


class AccountOpened(Event):
    """Somebody signed in for the first time."""

    type = "gateway.account.opened.v1"

    account_id: AccountId
