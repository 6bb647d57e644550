"""No password is shown: not in logs, errors, tables or JSON, whatever goes wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import quote

import pytest
from security_exposure import SECRETS, Exposure
from security_processes import Site

pytestmark = pytest.mark.timeout(300)  # processes take long to start where others work too

STORES = ("store", "broker")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """What a site has said while all was well, and while this and that was not."""
    with Site(tmp_path_factory.mktemp("secrets")) as site, Exposure(site) as exposure:
        exposure.start()
        exposure.look("all is well", "producer", "list", "create", "report", "conf", "stats")
        exposure.look("the ledger is away", "migrations", "revisions")
        exposure.devserver.process.kill()
        exposure.look("KATO is away", "producer", "predict", "doctor")
        exposure.until("worker", "call not made")
        exposure.close_stores()
        exposure.look("the stores are away", "producer", "show", "conf")
        exposure.until("worker", "Connection refused")
        exposure.open_stores(dict.fromkeys(STORES, "another"))
        exposure.until("worker", "invalid username-password pair")
        exposure.look("the passwords are wrong", "producer", "list", "conf")
        yield exposure.output


def test_everything_went_wrong_that_should(said: Mapping[str, str]) -> None:
    """Or the other tests of this module would prove nothing."""
    assert '"state": "active"' in said["list, all is well"]
    assert "Applied(seq=1" in said["producer, all is well"]
    assert "call not made" in said["log of up"]
    assert "WaitTimeout" in said["producer, KATO is away"]
    assert "does not answer at http://127.0.0.1" in said["doctor, KATO is away"]
    assert "The ledger at postgresql" in said["migrations, the ledger is away"]
    assert "The ledger at postgresql" in said["revisions, the ledger is away"]
    assert "The ledger at postgresql" in said["worker"]
    assert "StoreUnavailable" in said["producer, the stores are away"]
    assert "invalid username-password pair" in said["list, the passwords are wrong"]
    assert "HTTP Request: GET http://" in said["worker"] + said["log of up"]
    assert "w@test" in said["/workers, all is well"]


@pytest.mark.parametrize("name", SECRETS)
def test_no_password_is_shown(name: str, said: Mapping[str, str]) -> None:
    """Neither as it is, nor as it stands in a URL, nor its first part."""
    secret = SECRETS[name]
    forms = {secret, quote(secret, safe=""), secret.partition("/")[0]}
    showing = {who for who, text in said.items() if any(form in text for form in forms)}
    assert showing == set()
