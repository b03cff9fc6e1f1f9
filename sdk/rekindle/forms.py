"""Read the first form of a page: enough of HTML to fill in a login page."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Form:
    """Where a form is sent, and what it sends besides what a person types."""

    action: str
    hidden: dict[str, str] = field(default_factory=dict)


def first_form(page: str) -> Form | None:
    """Return the first form that asks for a password, with its hidden fields."""
    reader = _Reader()
    reader.feed(page)
    return reader.with_password[0] if reader.with_password else None


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.with_password: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(action=said.get("action", "")))
        elif tag == "input" and self.forms:
            if said.get("type") == "password":
                self.with_password.append(self.forms[-1])
            elif said.get("type") == "hidden":
                self.forms[-1].hidden[said.get("name", "")] = said.get("value", "")
