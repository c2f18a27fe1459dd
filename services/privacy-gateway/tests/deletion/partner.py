"""A delivery partner that was given somebody's parcel, and what it was told."""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import timedelta

from fastapi import FastAPI, Request, Response

from privacy_gateway.clients.endpoints import AllowedAddresses
from privacy_gateway.clients.webhooks import Webhooks
from privacy_gateway.domain.disclosure.signature import sign
from privacy_gateway.domain.recipients import webhook_secrets
from privacy_gateway.models import Agreement, Delivery, Recipient
from privity_contracts import ids


@dataclass
class Partner:
    """`status` is what it answers."""

    id: str = field(default_factory=lambda: ids.mint("rcp"))
    status: int = 204
    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    port: int = 0

    def door(self):
        app = FastAPI()

        @app.post("/hooks")
        async def take(request: Request) -> Response:
            headers = {k: v for k, v in request.headers.items() if k.startswith("webhook-")}
            self.told.append((headers, await request.body()))
            return Response(status_code=self.status)

        return app

    def reaching(self, means):
        """The same means, which may send to where this partner is."""
        return replace(means, webhooks=Webhooks(allowed=AllowedAddresses([self.address])))

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    async def register(self, means, *, days_until_purge):
        now = means.clock()
        minted = [await webhook_secrets.mint(means.keks, self.id, use, now=now)
                  for use in webhook_secrets.USES]  # fmt: skip
        self.secrets = {fresh.row.use: fresh.text for fresh in minted}
        marked = hashlib.sha256(self.id.encode()).digest()
        async with means.database.transaction() as tx:
            tx.add(
                Recipient(
                    id=self.id,
                    name="Swift Parcel",
                    kind="delivery",
                    endpoint=f"http://{self.address}/hooks",
                    status="active",
                    created_at=now,
                    request_key=marked,
                    request_fingerprint=marked,
                )
            )
            await tx.flush()
            tx.add_all(fresh.row for fresh in minted)
            tx.add(
                Agreement(
                    id=ids.mint("agr"),
                    recipient_id=self.id,
                    document_sha256=marked.hex(),
                    signed_on=now.date(),
                    valid_from=now.date(),
                    valid_until=now.date() + timedelta(days=300),
                    purposes=["delivery"],
                    categories=["user.name"],
                    days_until_purge=days_until_purge,
                    recorded_at=now,
                )
            )

    async def was_given(self, means, order, *, outcome="delivered", left=True):
        """A delivery of this order. `left`: something of it was on its way to the partner."""
        now = means.clock()
        delivery = Delivery(
            id=ids.mint("dlv"),
            recipient_id=self.id,
            order_id=order.removeprefix("order/"),
            shipment_id=ids.mint("shp"),
            attempts=1,
            outcome=outcome,
            first_attempt_at=now,
            last_attempt_at=now,
            left_at=now if left else None,
        )
        async with means.database.transaction() as tx:
            tx.add(delivery)
        return delivery.id

    def signed(self, body, *, now, secret=None):
        """Headers for what it says to the shop."""
        return sign(
            body,
            message_id="att_1",
            signing_secrets=[secret or self.secrets["callback"]],
            now=now,
        )
