"""What the gateway says, version 1."""

from typing import Annotated

from pydantic import Field

from contracts.message import AccountId, Event, HandoffId, PhotoId


class AccountOpened(Event):
    """Somebody signed in for the first time."""

    type = "gateway.account.opened.v1"

    account_id: AccountId


class AccountErased(Event):
    """Its owner wants nothing of the account to be left, anywhere.

    Who hears it says `<service>.account.cleared.v1` when that is so.
    """

    type = "gateway.account.erased.v1"

    account_id: AccountId


class HandoffOpened(Event):
    """A phone opened the address of a hand-off, for the first time."""

    type = "gateway.handoff.opened.v1"

    handoff_id: HandoffId
    account_id: AccountId


class HandoffUsed(Event):
    """A photo was begun by hand-off: its bytes are on their way from the phone."""

    type = "gateway.handoff.used.v1"

    handoff_id: HandoffId
    account_id: AccountId
    photo_id: PhotoId
    photos_left: Annotated[int, Field(ge=0)]
