"""The way to a witness (c2sp.org/tlog-witness), ours or anybody's."""

import httpx

from privity_transparency.note import SignatureLine
from privity_transparency.witnessing import AddCheckpoint, parse_cosignatures


class WitnessUnavailable(Exception):
    """No answer. Asking again for the same is safe."""


class WitnessRefused(Exception):
    """It will not cosign. `cosigned_size`: what it cosigned last, when that is the reason."""

    def __init__(self, status: int, cosigned_size: int | None) -> None:
        super().__init__(f"the witness refused with {status}")
        self.status = status
        self.cosigned_size = cosigned_size


class WitnessClient:
    """`url` is the submission prefix, or `unix:/path/to.sock`."""

    def __init__(self, url: str, *, timeout_seconds: float = 5) -> None:
        socket = url.removeprefix("unix:") if url.startswith("unix:") else None
        self._client = httpx.AsyncClient(
            base_url="http://witness" if socket else url,
            transport=httpx.AsyncHTTPTransport(uds=socket) if socket else None,
            timeout=timeout_seconds,
            follow_redirects=False,
            trust_env=False,
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    async def add(self, asked: AddCheckpoint) -> tuple[SignatureLine, ...]:
        """Raises WitnessUnavailable or WitnessRefused. The lines are not verified here."""
        try:
            answer = await self._client.post("/add-checkpoint", content=str(asked).encode())
        except httpx.TransportError as exc:
            raise WitnessUnavailable(type(exc).__name__) from None
        if answer.status_code == 200:
            return parse_cosignatures(answer.content)
        if answer.status_code >= 500:
            raise WitnessUnavailable(str(answer.status_code))
        size = answer.text.strip() if answer.status_code == 409 else ""
        raise WitnessRefused(answer.status_code, int(size) if size.isdecimal() else None)
