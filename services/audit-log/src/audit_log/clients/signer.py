"""The way to the signer: over its Unix socket, with the sequencer's secret."""

from pathlib import Path

import httpx

from privity_rest.service import read_secret
from privity_transparency.note import Note
from privity_transparency.witnessing import SignCheckpoint


class SignerUnavailable(Exception):
    """No answer: whether it signed is not known. Asking again for the same is safe."""


class SignerRefused(Exception):
    """It will not sign this. `signed_size`: what it signed last, when that is the reason."""

    def __init__(self, status: int, signed_size: int | None) -> None:
        super().__init__(f"the signer refused with {status}")
        self.status = status
        self.signed_size = signed_size


class SignerClient:
    def __init__(
        self, socket: Path, *, outbound_key_file: Path, timeout_seconds: float = 5
    ) -> None:
        self._client = httpx.AsyncClient(
            base_url="http://signer",
            transport=httpx.AsyncHTTPTransport(uds=str(socket)),
            headers={"Authorization": f"Bearer {read_secret(outbound_key_file)}"},
            timeout=timeout_seconds,
            trust_env=False,
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    async def sign(self, asked: SignCheckpoint) -> Note:
        """Raises SignerUnavailable or SignerRefused. The answer is not verified here."""
        try:
            answer = await self._client.post("/checkpoint", content=str(asked).encode())
        except httpx.TransportError as exc:
            raise SignerUnavailable(type(exc).__name__) from None
        if answer.status_code == 200:
            return Note.parse(answer.content)
        if answer.status_code >= 500:
            raise SignerUnavailable(str(answer.status_code))
        size = answer.text.strip() if answer.status_code == 409 else ""
        raise SignerRefused(answer.status_code, int(size) if size.isdecimal() else None)
