"""RabbitMQ as the broker: its password shows nowhere, and its certificate is verified."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from security_broker import AMQP_URL, receiving
from security_certificates import Authority
from security_exposure import LOOKS
from security_processes import CELERY, QUICK, Site, variables
from security_store import HOST, store, tls_before

from kato_tasks.settings import Settings
from kato_tasks.worker import make_app, names

pytestmark = pytest.mark.timeout(300)  # processes take long to start where others work too


@pytest.fixture
def rabbitmq() -> str:
    """The URL of a RabbitMQ."""
    if not AMQP_URL:
        pytest.skip("KATO_TASKS_TEST_AMQP_URL names no RabbitMQ")
    return AMQP_URL


@pytest.fixture
def given(server: str, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Settings with a store, a server, and queues of this test's own."""
    with store(tmp_path) as port:
        yield {
            "redis_url": f"redis://{HOST}:{port}/0",
            "instances": {"default": server},
            "queue_prefix": f"rabbitmq-{secrets.token_hex(4)}.",
            **QUICK,
        }


def test_its_password_is_not_shown(rabbitmq: str, given: dict[str, Any], site: Site) -> None:
    """Nor is a wrong one, to a worker that tries again and again."""
    password = urlsplit(rabbitmq).password
    wrong = rabbitmq.replace(f":{password}@", ":an0ther-one@")
    with receiving(site, **given, broker_url=rabbitmq) as receiver:
        assert receiver.still_works()
        env = variables(**given, broker_url=rabbitmq)
        said = [site.run(*LOOKS[name], env=env).both for name in ("producer", "conf", "stats")]
    refused = site.start("refused", *CELERY, "worker", env=variables(**given, broker_url=wrong))
    refused.says("ACCESS_REFUSED")
    said += [receiver.worker.output, refused.output]
    assert "amqp" in said[1]
    assert "amqp" in receiver.worker.output
    assert not any(f":{password}@" in text or "an0ther" in text for text in said)


def test_it_is_reached_over_tls(
    rabbitmq: str,
    given: dict[str, Any],
    site: Site,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A private authority is named by SSL_CERT_FILE."""
    parts, (certificate, key) = urlsplit(rabbitmq), authority.sign(f"IP:{HOST}")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    with tls_before(parts.port or 5672, certificate, key) as front:
        url = f"amqps://{parts.username}:{parts.password}@{HOST}:{front}{parts.path}"
        with receiving(site, **given, broker_url=url) as receiver:
            answer = receiver.app.send_task(names.OBSERVE, args=["a", {"strings": ["x"]}])
            assert answer.get(timeout=60)["seq"] == 1


def test_a_broker_that_is_somebody_else_is_refused(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is said to it; so this needs no RabbitMQ."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    assert "IP address mismatch" in refusal(*authority.sign("DNS:elsewhere"))


def test_a_broker_that_a_stranger_vouches_for_is_refused(
    authority: Authority, stranger: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    assert "certificate verify failed" in refusal(*stranger.sign(f"IP:{HOST}"))


def refusal(certificate: Path, key: Path) -> str:
    """Connect to a broker with this certificate; why it was not done."""
    with tls_before(1, certificate, key) as front:
        app = make_app(Settings(broker_url=f"amqps://me:s3cret@{HOST}:{front}//"))
        with (
            app.connection_for_write() as connection,
            pytest.raises(OSError, match=r".") as refused,
        ):
            connection.connect()
        app.close()
    return str(refused.value)
