"""TLS: certificates are verified, by the store's client and by the broker's, unasked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from security_certificates import Authority
from security_processes import CELERY, CLI, QUICK, Site, variables
from security_store import HOST, store, tls_before

from kato_tasks import KatoTasks, Settings, StoreUnavailable
from kato_tasks.errors import KatoUnreachable
from kato_tasks.kato import KatoClient
from kato_tasks.worker import make_app, names

SETTINGS = {**QUICK, "sweep_interval": 3_600}  # what arrives has come through the broker


@pytest.fixture
def port(authority: Authority, tmp_path: Path) -> Iterator[int]:
    """A store that is reached over TLS."""
    certificate, key = authority.sign(f"IP:{HOST}")
    with (
        store(tmp_path) as behind,
        tls_before(behind, certificate, key) as front,
    ):
        yield front


def test_store_and_broker_over_tls(
    port: int, authority: Authority, server: str, site: Site
) -> None:
    """A producer, a worker, results, and the commands; ``ssl_ca_certs`` in the URL is enough."""
    url = f"rediss://{HOST}:{port}/0?ssl_ca_certs={authority.certificate}"
    settings = Settings.load(redis_url=url, instances={"default": server}, **SETTINGS)
    env = variables(redis_url=url, instances={"default": server}, **SETTINGS)
    worker = site.worker(env)
    app = make_app(settings)
    with KatoTasks(settings) as kato:
        assert kato.session("a").observe(["x"]).wait(60).seq == 1
    answer = app.send_task(names.OBSERVE, args=["a", {"strings": ["y"]}]).get(timeout=60)
    assert answer["seq"] == 2
    assert site.run(*CLI, "sessions", "show", "a", env=env).code == 0
    assert "pong" in site.run(*CELERY, "inspect", "ping", env=env).out
    assert "insecure" not in worker.output
    app.close()


@pytest.mark.parametrize("known", [True, False], ids=["another authority", "no authority"])
def test_a_store_that_somebody_else_vouches_for_is_refused(
    known: bool,  # noqa: FBT001
    port: int,
    stranger: Authority,
    site: Site,
) -> None:
    """By producers with a sentence; a worker says why it does not connect, and waits."""
    url = f"rediss://{HOST}:{port}/0" + (f"?ssl_ca_certs={stranger.certificate}" if known else "")
    with KatoTasks(Settings.load(redis_url=url)) as kato:
        with pytest.raises(StoreUnavailable, match="certificate verify failed") as refused:
            kato.session("a").observe(["x"])
        assert str(refused.value).startswith(f"The store at rediss://{HOST}:{port}/0 is not avail")
    done = site.run(*CLI, "sessions", "list", env=variables(redis_url=url))
    assert (done.code, done.err.count("\n")) == (3, 1)
    worker = site.start("worker", *CELERY, "worker", env=variables(redis_url=url))
    worker.says("certificate verify failed")
    assert worker.running


def test_wake_ups_go_to_no_broker_that_nobody_vouches_for(
    port: int, stranger: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The commands are accepted all the same: they are in the store."""
    del stranger
    with store(tmp_path) as plain:
        settings = Settings.load(
            redis_url=f"redis://{HOST}:{plain}/0", broker_url=f"rediss://{HOST}:{port}/0"
        )
        with KatoTasks(settings) as kato:
            assert kato.session("a").observe(["x"]).seq == 1
    [warning] = [record for record in caplog.records if record.message == "wake-up not sent"]
    assert "certificate verify failed" in str(vars(warning)["reason"])


def test_a_certificate_for_another_name_is_refused(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.sign("DNS:elsewhere")
    with (
        store(tmp_path) as behind,
        tls_before(behind, certificate, key) as front,
    ):
        url = f"rediss://{HOST}:{front}/0?ssl_ca_certs={authority.certificate}"
        with (
            KatoTasks(Settings.load(redis_url=url)) as kato,
            pytest.raises(StoreUnavailable, match="IP address mismatch"),
        ):
            kato.session("a").observe(["x"])


def test_a_kato_server_is_verified_too(
    authority: Authority, stranger: Authority, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the authority that SSL_CERT_FILE names."""
    with tls_before(int(server.rpartition(":")[2]), *authority.sign(f"IP:{HOST}")) as front:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        with closing(client_of(front)) as client:
            assert client.count() >= 0
        monkeypatch.setenv("SSL_CERT_FILE", str(stranger.certificate))
        with (
            closing(client_of(front)) as client,
            pytest.raises(KatoUnreachable, match="certificate verify failed"),
        ):
            client.count()


def client_of(port: int) -> KatoClient:
    return KatoClient(f"https://{HOST}:{port}", timeout=30, connect_timeout=5, max_connections=2)


@pytest.mark.parametrize(
    ("broker", "wanted"),
    [
        ("rediss://h/0", "rediss://h/0?ssl_cert_reqs=required"),
        ("rediss://h/0?ssl_ca_certs=c", "rediss://h/0?ssl_ca_certs=c&ssl_cert_reqs=required"),
        ("rediss://h/0?ssl_cert_reqs=none", "rediss://h/0?ssl_cert_reqs=none"),
        ("redis://h/0", "redis://h/0"),
        (
            "rediss://a;rediss://b",
            "rediss://a?ssl_cert_reqs=required;rediss://b?ssl_cert_reqs=required",
        ),
    ],
)
def test_only_who_says_so_trusts_any_certificate(broker: str, wanted: str) -> None:
    app = make_app(Settings(redis_url=broker.partition(";")[0], broker_url=broker))
    assert app.conf.broker_url == wanted
    assert app.conf.result_backend == wanted.partition(";")[0]
