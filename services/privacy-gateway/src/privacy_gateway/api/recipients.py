"""The register of recipients, for the staff who keep agreements with partners."""

import hashlib
import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.api.strict_body import body_of
from privacy_gateway.clients.endpoints import AllowedAddresses, UnsafeEndpoint
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.recipients import agreements, changes, registry, webhook_secrets
from privacy_gateway.domain.recipients.agreements import Terms
from privacy_gateway.domain.recipients.changes import Change
from privacy_gateway.domain.recipients.public_key import PublicKey, UnusableKey
from privacy_gateway.domain.recipients.registry import Entry, Kind, Status
from privacy_gateway.domain.recipients.webhook_secrets import Use
from privacy_gateway.domain.tokens.caller import Caller
from privacy_gateway.models import Agreement, Recipient, WebhookSecret
from privity_contracts import ids
from privity_database import Database
from privity_rest import Malformed, NotAllowed, Unauthenticated, Unprocessable

router = APIRouter(prefix="/v1/recipients")
