"""Stands in for Google Cloud KMS: the documented REST interface of symmetric keys, and no more.

https://cloud.google.com/kms/docs/reference/rest
"""

import base64
import os
import sys

from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

versions = [AESGCM(os.urandom(32))]
primary = 1
routes = web.RouteTableDef()
TOKEN = "a-token-of-google"


def refused(status: int, code: str) -> web.Response:
    return web.json_response({"error": {"code": status, "status": code}}, status=status)


@web.middleware
async def with_token(request, handler):
    if (
        request.path.startswith("/v1/")
        and request.headers.get("Authorization") != f"Bearer {TOKEN}"
    ):
        return refused(401, "UNAUTHENTICATED")
    return await handler(request)


def crc(raw: bytes) -> str:
    """CRC32C by its generator polynomial, as the remainder of a division (RFC 3720, 12.1)."""
    bits = [b >> n & 1 for b in raw for n in range(8)] + [0] * 32
    for place in range(32):
        bits[place] ^= 1
    for place in range(len(bits) - 32):
        if bits[place]:
            for offset in range(33):
                bits[place + offset] ^= 0x11EDC6F41 >> (32 - offset) & 1
    return str(sum((bit ^ 1) << n for n, bit in enumerate(bits[-32:])))


@routes.post("/token")
async def token(request):
    """As Google's token endpoint (RFC 7523), for whoever presents an assertion."""
    if not (await request.post()).get("assertion"):
        return refused(400, "invalid_grant")
    said = {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
    return web.json_response(said)


@routes.get("/v1/{key:.*}")
async def read(request):
    name = f"{request.match_info['key']}/cryptoKeyVersions/{primary}"
    return web.json_response({"name": request.match_info["key"], "primary": {"name": name}})


@routes.post("/v1/{key:.*}/cryptoKeyVersions")
async def add(request):
    versions.append(AESGCM(os.urandom(32)))
    name = f"{request.match_info['key']}/cryptoKeyVersions/{len(versions)}"
    return web.json_response({"name": name, "state": "ENABLED"})


@routes.post("/v1/{key:[^:]*}:updatePrimaryVersion")
async def update(request):
    global primary  # noqa: PLW0603  # a process is one key here
    primary = int((await request.json())["cryptoKeyVersionId"])
    return web.json_response({"name": request.match_info["key"]})


@routes.post("/v1/{key:[^:]*}:encrypt")
async def encrypt(request):
    asked = await request.json()
    content = base64.b64decode(asked["plaintext"])
    bound = base64.b64decode(asked["additionalAuthenticatedData"])
    if asked["plaintextCrc32c"] != crc(content):
        return refused(400, "INVALID_ARGUMENT")
    if asked["additionalAuthenticatedDataCrc32c"] != crc(bound):
        return refused(400, "INVALID_ARGUMENT")
    nonce = os.urandom(12)
    sealed = (
        bytes([primary])
        + nonce
        + versions[primary - 1].encrypt(nonce, content, bytes([primary]) + bound)
    )
    return web.json_response(
        {
            "name": f"{request.match_info['key']}/cryptoKeyVersions/{primary}",
            "ciphertext": base64.b64encode(sealed).decode(),
            "ciphertextCrc32c": crc(sealed),
            "verifiedPlaintextCrc32c": True,
            "verifiedAdditionalAuthenticatedDataCrc32c": True,
        }
    )


@routes.post("/v1/{key:[^:]*}:decrypt")
async def decrypt(request):
    asked = await request.json()
    raw = base64.b64decode(asked["ciphertext"])
    bound = base64.b64decode(asked["additionalAuthenticatedData"])
    try:
        content = versions[raw[0] - 1].decrypt(raw[1:13], raw[13:], raw[:1] + bound)
    except (IndexError, ValueError, InvalidTag):
        return refused(400, "INVALID_ARGUMENT")
    said = {"plaintext": base64.b64encode(content).decode(), "plaintextCrc32c": crc(content)}
    return web.json_response(said)


app = web.Application(middlewares=[with_token])
app.add_routes(routes)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
