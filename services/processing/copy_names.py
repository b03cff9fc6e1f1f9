"""The copies there are. Apart from what makes them: a process with a door loads no decoder."""

from typing import Literal, get_args

Name = Literal["before", "after", "card", "jpeg"]
NAMES: tuple[Name, ...] = get_args(Name)
