"""A process that is set up wrongly says everything that is wrong, at once, and does not start."""

import pytest
from pydantic import SecretStr

from services.kit.settings import ServiceSettings, load


class Example(ServiceSettings):
    api_key: SecretStr
    other_url: str


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("DATABASE_URL", "postgresql://role:" + "r" * 24 + "@localhost/rekindle")
    monkeypatch.setenv("API_KEY", "k" * 32)
    monkeypatch.setenv("OTHER_URL", "http://localhost")
    return monkeypatch


def test_a_complete_environment_loads(environment: pytest.MonkeyPatch) -> None:
    assert load(Example).other_url == "http://localhost"


def test_all_missing_keys_are_named_in_one_sentence(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("API_KEY")
    environment.delenv("OTHER_URL")

    with pytest.raises(SystemExit, match=r"API_KEY.*OTHER_URL"):
        load(Example)


@pytest.mark.parametrize("weak", ["short", "changeme" * 4, "my-secret-is-long-but-guessable"])
def test_guessable_secrets_are_refused_in_production(
    environment: pytest.MonkeyPatch, weak: str
) -> None:
    environment.setenv("API_KEY", weak)

    with pytest.raises(SystemExit, match="API_KEY"):
        load(Example)


def test_a_default_database_password_is_refused_in_production(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("DATABASE_URL", "postgresql://role:postgres@localhost/rekindle")

    with pytest.raises(SystemExit, match="DATABASE_URL"):
        load(Example)


def test_anything_goes_locally(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("REKINDLE_ENV", "local")
    environment.setenv("API_KEY", "short")

    assert load(Example).api_key.get_secret_value() == "short"


def test_the_refusal_does_not_show_the_secret(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("API_KEY", "hunter2")

    with pytest.raises(SystemExit) as stopped:
        load(Example)

    assert "hunter2" not in str(stopped.value)
