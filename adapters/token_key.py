"""A sealing key in a token or hardware module (PKCS#11): the key never leaves it.

The module is a library of the token's maker, loaded into this process and asked in one thread, as many are not made for
more. What it refuses or loses is Unreachable: the session is opened anew at the next try. Needs the extra `pkcs11`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from asn1crypto import x509

from adapters.port import Problem, Unreachable, read_secret
from signing.keys import Algorithm, UnusableKey, algorithm_of, digest_info, from_pair, ordered
from signing.trust import certificates

T = TypeVar("T")

MODULE = "ESTAFETTE_SEAL_PKCS11_MODULE"
_TOKEN, _KEY = "ESTAFETTE_SEAL_PKCS11_TOKEN", "ESTAFETTE_SEAL_PKCS11_KEY"
_PIN, _CHAIN = "ESTAFETTE_SEAL_PKCS11_PIN_FILE", "ESTAFETTE_SEAL_PKCS11_CERTIFICATES"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the key is."""

    module: str
    """Path of the PKCS#11 library."""
    token: str
    """Label of the token."""
    key: str
    """Label of the key and of its certificate."""
    pin_file: Path
    chain: tuple[x509.Certificate, ...] = ()
    """Certificates that the token does not hold, from a PEM file."""


class TokenKey:
    """A key in a token, opened when it is first asked."""

    def __init__(self, settings: Settings) -> None:
        """`settings`: where it is."""
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, "token")
        self._session: Any = None
        self._known: tuple[x509.Certificate, ...] = ()

    @property
    def name(self) -> str:
        """The kind of key, for events."""
        return "token"

    async def chain(self) -> tuple[x509.Certificate, ...]:
        """The sealer's certificate, then those that lead to a root. Raises Unreachable."""
        if not self._known:
            self._known = await self._asked(self._read_chain)
        return self._known

    async def sign(self, digest: bytes) -> bytes:
        """The signature of a SHA-256 digest. Raises Unreachable."""
        algorithm = algorithm_of((await self.chain())[0])
        return await self._asked(lambda: self._sign(digest, algorithm))

    async def close(self) -> None:
        """Log out."""
        if self._session is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._forget)
        self._thread.shutdown(wait=False)

    async def _asked(self, work: Callable[[], T]) -> T:
        import pkcs11

        def guarded() -> T:
            try:
                return work()
            except Exception:
                self._forget()
                raise

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)
        except (pkcs11.PKCS11Error, OSError, RuntimeError, ValueError) as away:
            raise Unreachable(f"the token {self._settings.token}: {type(away).__name__} {away}".rstrip()) from away

    def _opened(self) -> Any:
        import pkcs11

        if self._session is None:
            module = pkcs11.lib(self._settings.module)
            try:
                token = module.get_token(token_label=self._settings.token)
            except pkcs11.NoSuchToken:  # it may have been put in since the module looked
                module.reinitialize()
                token = module.get_token(token_label=self._settings.token)
            self._session = token.open(user_pin=read_secret(self._settings.pin_file))
        return self._session

    def _read_chain(self) -> tuple[x509.Certificate, ...]:
        from pkcs11 import Attribute, ObjectClass

        found = list(self._opened().get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE}))
        held = [(one[Attribute.LABEL], x509.Certificate.load(one[Attribute.VALUE])) for one in found]
        own = next((one for label, one in held if label == self._settings.key), None)
        if own is None and self._settings.chain:
            own = self._settings.chain[0]
        if own is None:
            raise UnusableKey(f"there is no certificate {self._settings.key}")
        return ordered((*(one for _, one in held), *self._settings.chain), own)

    def _sign(self, digest: bytes, algorithm: Algorithm) -> bytes:
        from pkcs11 import Mechanism, ObjectClass

        key = self._opened().get_key(object_class=ObjectClass.PRIVATE_KEY, label=self._settings.key)
        if algorithm is Algorithm.RSA:
            return bytes(key.sign(digest_info(digest), mechanism=Mechanism.RSA_PKCS))
        return from_pair(bytes(key.sign(digest, mechanism=Mechanism.ECDSA)))

    def _forget(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(Exception):  # it is lost already, or the token is
                session.close()


def from_environment(environment: Mapping[str, str], problems: list[Problem]) -> TokenKey | None:
    """The key of ESTAFETTE_SEAL_PKCS11_*; None when it is not set, or cannot be used, as `problems` then tells."""
    module = environment.get(MODULE, "")
    if not module:
        return None
    missing = [name for name in (_TOKEN, _KEY, _PIN) if not environment.get(name)]
    found = [Problem(name, f"is needed with {MODULE}") for name in missing]
    try:
        import pkcs11  # noqa: F401 - whether it is there
    except ImportError:
        found.append(Problem(MODULE, "needs the extra pkcs11: pip install 'estafette[pkcs11]'"))
    chain: tuple[x509.Certificate, ...] = ()
    if path := environment.get(_CHAIN, ""):
        try:
            chain = certificates(Path(path).read_bytes())
        except (OSError, ValueError):
            found.append(Problem(_CHAIN, "the certificates cannot be read"))
    problems.extend(found)
    if found:
        return None
    pin = Path(environment[_PIN])
    return TokenKey(Settings(module, environment[_TOKEN], environment[_KEY], pin, chain))
