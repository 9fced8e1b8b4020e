"""Ask a token for a chain and signatures, for the tests: settings as JSON on the standard input, one word out."""

from __future__ import annotations

import asyncio
import json
import sys
from hashlib import sha256

from adapters import catalogue
from adapters.port import Unreachable
from signing import keys


async def main() -> str:
    """The word."""
    key, problems = catalogue.sealing_key(json.load(sys.stdin))
    if key is None:
        return f"unusable: {problems}"
    try:
        chain = await key.chain()
        digests = [sha256(bytes([one])).digest() for one in range(5)]
        signed = await asyncio.gather(*(key.sign(digest) for digest in digests))
        good = all(keys.fits(chain[0], *pair) for pair in zip(digests, signed, strict=True))
        return "signs" if good and len(chain) == 2 else "lies"
    except Unreachable as away:
        return f"unreachable: {away.reason}"
    finally:
        await key.close()


if __name__ == "__main__":
    print(asyncio.run(main()))
