"""A person at the hosted pages: what they see, and the forms they send."""

import re

import httpx

CARD = "4242424242424242"


class Browser:
    """Goes to pages of one emulator, and stops where it would leave for another address."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._web = httpx.Client(base_url=url, trust_env=False)

    def close(self) -> None:
        self._web.close()

    def open(self, address: str) -> httpx.Response:
        return self._follow(self._web.get(address))

    def send(self, address: str, **fields: str) -> httpx.Response:
        return self._follow(self._web.post(address, data=fields))

    def pay(self, address: str, number: str = CARD) -> httpx.Response:
        return self.send(address, number=number)

    def answer(self, page: httpx.Response, answer: str) -> httpx.Response:
        """Answer the question of a bank."""
        action = re.findall(r'action="([^"]+)"', page.text)[0]
        hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text)
        return self.send(action, answer=answer, **dict(hidden))

    def _follow(self, answer: httpx.Response) -> httpx.Response:
        goes_to = answer.headers.get("location", "")
        if answer.is_redirect and goes_to.startswith(("/", self._url)):
            return self.open(goes_to)
        return answer
