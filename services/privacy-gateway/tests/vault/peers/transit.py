# it prints where it listens
"""Stands in for OpenBao: the documented HTTP interface of its transit engine, and no more.

https://openbao.org/api-docs/secret/transit/
"""

import base64
import os
import sys

from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = sys.argv[1]
keys: dict[str, list[AESGCM]] = {}
routes = web.RouteTableDef()


def refused(status: int, *errors: str) -> web.Response:
    return web.json_response({"errors": errors}, status=status)


@web.middleware
async def with_token(request, handler):
    if request.headers.get("X-Vault-Token") != TOKEN:
        return refused(403, "permission denied")
    return await handler(request)


@routes.get("/v1/transit/keys/{key}")
async def read(request):
    found = keys.get(request.match_info["key"])
    if found is None:
        return refused(404)
    return web.json_response({"data": {"latest_version": len(found), "type": "aes256-gcm96"}})


@routes.post("/v1/transit/keys/{key}")
async def create(request):
    keys.setdefault(request.match_info["key"], [AESGCM(os.urandom(32))])
    return web.Response(status=204)


@routes.post("/v1/transit/keys/{key}/rotate")
async def rotate(request):
    keys[request.match_info["key"]].append(AESGCM(os.urandom(32)))
    return web.Response(status=204)


@routes.post("/v1/transit/encrypt/{key}")
async def encrypt(request):
    found, asked = keys.get(request.match_info["key"]), await request.json()
    if found is None:
        return refused(400, "encryption key not found")
    nonce = os.urandom(12)
    content = base64.b64decode(asked["plaintext"])
    sealed = found[-1].encrypt(nonce, content, base64.b64decode(asked["associated_data"]))
    text = base64.b64encode(nonce + sealed).decode()
    return web.json_response({"data": {"ciphertext": f"vault:v{len(found)}:{text}"}})


@routes.post("/v1/transit/decrypt/{key}")
async def decrypt(request):
    found, asked = keys[request.match_info["key"]], await request.json()
    try:
        product, version, text = asked["ciphertext"].split(":")
        if product != "vault" or not version.startswith("v"):
            return refused(400, "invalid ciphertext: no prefix")
        raw = base64.b64decode(text, validate=True)
        cipher = dict(enumerate(found, start=1))[int(version[1:])]
        content = cipher.decrypt(raw[:12], raw[12:], base64.b64decode(asked["associated_data"]))
    except (ValueError, KeyError, InvalidTag):
        return refused(400, "cipher: message authentication failed")
    return web.json_response({"data": {"plaintext": base64.b64encode(content).decode()}})


app = web.Application(middlewares=[with_token])
app.add_routes(routes)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[2]), print=None)
