"""Sealing keys behind one port: in a file, in a token (SoftHSM, where it is installed), at a service on a socket."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from adapters import catalogue
from adapters.port import Unreachable
from signing import keys
from signing.keys import SigningKey
from tests.bench.stage import free_port
from tests.signing import authority

DIGEST = sha256(b"what is sealed").digest()
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
MODULE = next((one for one in MODULES if Path(one).exists()), "")


def secret(folder: Path, name: str, data: bytes) -> str:
    """A file that only we may read."""
    path = folder / name
    path.touch(mode=0o600)
    path.write_bytes(data)
    return str(path)


def opened(environment: dict[str, str]) -> SigningKey:
    """The key of these settings."""
    key, problems = catalogue.sealing_key(environment)
    assert problems == ()
    assert key is not None
    return key


async def held(key: SigningKey, subject: str) -> None:
    """What every key does."""
    chain = await key.chain()
    assert chain[0].subject.human_friendly == f"Common Name: {subject}"
    assert chain[-1].self_signed != "no"
    assert keys.fits(chain[0], DIGEST, await key.sign(DIGEST))
    assert keys.fits(chain[0], bytes(32), await key.sign(bytes(32)))


# In a file -----------------------------------------------------------------------------------------------------------


async def test_a_key_in_a_file(tmp_path: Path) -> None:
    pem = secret(tmp_path, "key.pem", authority.seal_pem())
    key = opened({"ESTAFETTE_SEAL_KEY_FILE": pem})
    await held(key, "Atelier des Tilleuls seal")
    await key.close()
    p12 = secret(tmp_path, "key.p12", authority.seal_pkcs12(b"right"))
    words = secret(tmp_path, "passphrase", b"right\n")
    await held(
        opened({"ESTAFETTE_SEAL_KEY_FILE": p12, "ESTAFETTE_SEAL_PASSPHRASE_FILE": words}), "Atelier des Tilleuls seal"
    )


def test_a_key_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    pem = secret(tmp_path, "key.pem", authority.seal_pem())
    Path(pem).chmod(0o644)
    for environment, says in (
        ({"ESTAFETTE_SEAL_KEY_FILE": pem}, "can be read by everybody"),
        ({"ESTAFETTE_SEAL_KEY_FILE": str(tmp_path / "none")}, "cannot be read"),
        ({"ESTAFETTE_SEAL_KEY_FILE": secret(tmp_path, "odd", b"odd")}, "neither PEM nor PKCS#12"),
        (
            {"ESTAFETTE_SEAL_KEY_FILE": pem, "ESTAFETTE_SEAL_REMOTE_URL": "https://x.example/"},
            "one sealing key too many",
        ),
        ({"ESTAFETTE_SEAL_REMOTE_URL": "https://10.0.0.1/"}, "is needed with"),
        ({"ESTAFETTE_SEAL_PKCS11_MODULE": "/none.so"}, "is needed with"),
    ):
        key, problems = catalogue.sealing_key(environment)
        assert key is None
        assert any(says in one.says for one in problems), problems
    assert catalogue.sealing_key({}) == (None, ())


# At a signing service ------------------------------------------------------------------------------------------------


class Service:
    """A signing service that speaks CSC API v2 on a real socket."""

    def __init__(self, one: authority.Person) -> None:
        self.one = one
        self.key = authority.seal_key(one)
        self.mood = "well"
        self.asked: list[str] = []
        self.allowed = ""

    async def answer(self, request: web.Request) -> web.Response:
        """One method."""
        method = request.match_info["method"]
        self.asked.append(method)
        assert request.headers["Authorization"] == "Bearer let-me-in"
        members = await request.json()
        assert members["credentialID"] == "our-seal"
        if self.mood == "down":
            return web.Response(status=503)
        if self.mood == "odd":
            return web.Response(text="<html>", content_type="text/html")
        told = {
            "credentials/info": self.info,
            "credentials/authorize": self.authorize,
            "signatures/signHash": self.sign,
        }
        return web.json_response(told[method](members))

    def info(self, _: dict[str, Any]) -> dict[str, Any]:
        """The certificates, base64."""
        chain = [base64.b64encode(one.dump()).decode() for one in self.key.chain]
        return {"key": {"status": "enabled"}, "cert": {"status": "valid", "certificates": chain}}

    def authorize(self, members: dict[str, Any]) -> dict[str, Any]:
        """Allow one signature of one digest."""
        assert members["authData"] == [{"id": "PIN", "value": "1234"}]
        self.allowed = members["hashes"][0]
        return {"SAD": "allowed-once"}

    def sign(self, members: dict[str, Any]) -> dict[str, Any]:
        """Sign what was allowed."""
        assert members["SAD"] == "allowed-once"
        assert members["hashes"] == [self.allowed]
        assert members["hashAlgorithmOID"] == "2.16.840.1.101.3.4.2.1"
        digest = base64.b64decode(self.allowed)
        signature = self.key.sign(bytes(32) if self.mood == "lies" else digest)
        if self.mood == "pair":
            signature = keys.to_pair(self.key.chain[0], signature)
        return {"signatures": [base64.b64encode(signature).decode()]}


@pytest.fixture(params=["ec", "rsa"])
async def service(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Service, SigningKey]]:
    """The service, and the key that asks it."""
    made = rsa.generate_private_key(65537, 2048) if request.param == "rsa" else ec.generate_private_key(ec.SECP256R1())
    one = Service(authority.person("Far away", authority.root(), key=made))
    application = web.Application()
    application.router.add_post("/csc/v2/{method:.+}", one.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    key = opened(
        {
            "ESTAFETTE_SEAL_REMOTE_URL": f"http://127.0.0.1:{port}/csc/v2/",
            "ESTAFETTE_SEAL_REMOTE_CREDENTIAL": "our-seal",
            "ESTAFETTE_SEAL_REMOTE_TOKEN_FILE": secret(tmp_path, "token", b"let-me-in"),
            "ESTAFETTE_SEAL_REMOTE_PIN_FILE": secret(tmp_path, "pin", b"1234"),
            "ESTAFETTE_EGRESS_ALLOW": f"127.0.0.1:{port}",
        }
    )
    yield one, key
    await key.close()
    await runner.cleanup()


async def test_a_key_at_a_signing_service(service: tuple[Service, SigningKey]) -> None:
    one, key = service
    await held(key, "Far away")
    assert key.name == "remote 127.0.0.1"
    assert one.asked.count("credentials/info") == 1
    if keys.algorithm_of(one.key.chain[0]) is keys.Algorithm.EC:
        one.mood = "pair"
        await held(key, "Far away")


@pytest.mark.parametrize(
    ("mood", "says"), [("down", "503"), ("odd", "no JSON"), ("lies", "not that of the credential")]
)
async def test_a_service_that_fails_or_lies_is_unreachable(
    service: tuple[Service, SigningKey], mood: str, says: str
) -> None:
    one, key = service
    one.mood = mood
    with pytest.raises(Unreachable, match=says):
        await key.sign(DIGEST)
    one.mood = "well"
    assert keys.fits(one.key.chain[0], DIGEST, await key.sign(DIGEST))


# In a token ----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["ec", "rsa"])
def token(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A SoftHSM token with a key and its certificate, and the settings that name it."""
    if not MODULE or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed (apt-get install softhsm2; `make conformance` does it)")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm.conf"))
    made = rsa.generate_private_key(65537, 2048) if request.param == "rsa" else ec.generate_private_key(ec.SECP256R1())
    one = authority.person("In a token", authority.root(), key=made)
    (tmp_path / "key.pem").write_bytes(one.secret)
    label = f"seals-{request.param}"
    run = ("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", "1234", "--so-pin", "5678")
    subprocess.run(run, check=True, capture_output=True, env=os.environ)
    place = ("softhsm2-util", "--import", str(tmp_path / "key.pem"), "--token", label, "--label", "our-seal",
             "--id", "01", "--pin", "1234")  # fmt: skip
    subprocess.run(place, check=True, capture_output=True, env=os.environ)
    (tmp_path / "chain.pem").write_bytes(one.pem + authority.root().pem)
    return {
        "ESTAFETTE_SEAL_PKCS11_MODULE": MODULE,
        "ESTAFETTE_SEAL_PKCS11_TOKEN": label,
        "ESTAFETTE_SEAL_PKCS11_KEY": "our-seal",
        "ESTAFETTE_SEAL_PKCS11_PIN_FILE": secret(tmp_path, "pin", b"1234"),
        "ESTAFETTE_SEAL_PKCS11_CERTIFICATES": str(tmp_path / "chain.pem"),
    }


def in_a_process(environment: dict[str, str], *, wrong_pin: bool = False) -> str:
    """Ask the token in a process of its own: a module is loaded once, with the folder of its first start."""
    if wrong_pin:
        Path(environment["ESTAFETTE_SEAL_PKCS11_PIN_FILE"]).write_bytes(b"9999")
    done = subprocess.run(
        [sys.executable, "-m", "tests.adapters.token_process"],
        input=json.dumps(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_key_in_a_token(token: dict[str, str]) -> None:
    assert in_a_process(token) == "signs"


def test_a_wrong_pin_is_unreachable(token: dict[str, str]) -> None:
    assert in_a_process(token, wrong_pin=True).startswith("unreachable: the token seals-")
