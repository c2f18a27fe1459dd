"""A receipt for a consent, as ISO/IEC TS 27560 lists its members, in terms of the W3C Data Privacy
Vocabulary: JSON-LD that other programs can read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from customers.models import ConsentChange, ConsentName
from privity_contracts import OPERATIONAL, Category, Contract
from privity_contracts.ids import SubjectId

CONSENT = Category("user.privacy_preferences")
PROFILE = "https://w3id.org/dpv/schema/dpv-27560"

Term = Annotated[str, OPERATIONAL]


@dataclass(frozen=True, slots=True)
class Controller:
    """Who answers for what is done with the data."""

    name: str
    url: str
    country: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What somebody agrees to, in the vocabulary's words."""

    purpose: str
    personal_data: tuple[str, ...]


AGREED_TO = {
    ConsentName.MARKETING: Terms(
        purpose="dpv:DirectMarketing", personal_data=("pd:Name", "pd:EmailAddress")
    ),
}
TERMS = {
    "id": "@id",
    "type": "@type",
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "loc": "https://w3id.org/dpv/loc#",
    "pd": "https://w3id.org/dpv/pd#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "schema": "https://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
}


class Reference(Contract):
    """Says of a term that its values are names of things and not texts."""

    type: Annotated[Literal["@id"], OPERATIONAL, Field(alias="@type")]


REFERENCE = Reference.model_validate({"@type": "@id"})


class Context(Contract):
    """What the terms of a receipt mean to programs that read JSON-LD."""

    dct: Term
    dpv: Term
    eu_gdpr: Annotated[Term, Field(alias="eu-gdpr")]
    loc: Term
    pd: Term
    rdf: Term
    schema_org: Annotated[Term, Field(alias="schema")]
    skos: Term
    # A record of who read what names fields, and no name in it has an "@".
    id: Term
    type: Term
    conforms_to: Annotated[Reference, Field(alias="dct:conformsTo")] = REFERENCE
    publisher: Annotated[Reference, Field(alias="dct:publisher")] = REFERENCE
    purpose: Annotated[Reference, Field(alias="dpv:hasPurpose")] = REFERENCE
    personal_data: Annotated[Reference, Field(alias="dpv:hasPersonalData")] = REFERENCE
    recipient: Annotated[Reference, Field(alias="dpv:hasRecipient")] = REFERENCE
    jurisdiction: Annotated[Reference, Field(alias="dpv:hasJurisdiction")] = REFERENCE
    law: Annotated[Reference, Field(alias="dpv:hasApplicableLaw")] = REFERENCE
    basis: Annotated[Reference, Field(alias="dpv:hasLegalBasis")] = REFERENCE
    exercised_at: Annotated[Reference, Field(alias="dpv:isExercisedAt")] = REFERENCE
    indicated_by: Annotated[Reference, Field(alias="dpv:isIndicatedBy")] = REFERENCE
    given_to: Annotated[Reference, Field(alias="schema:recipient")] = REFERENCE
    broader: Annotated[Reference, Field(alias="skos:broader")] = REFERENCE


class DataSubject(Contract):
    id: Annotated[str, Category("user.unique_id")]
    broader: Annotated[Literal["dpv:Consumer"], OPERATIONAL, Field(alias="skos:broader")]


class DataController(Contract):
    id: Term
    type: Annotated[Literal["dpv:DataController"], OPERATIONAL]
    name: Annotated[Term, Field(alias="dpv:hasName")]


class Until(Contract):
    type: Annotated[Literal["dpv:UntilEventDuration"], OPERATIONAL]
    event: Annotated[Term, Field(alias="rdf:value")]


class Storage(Contract):
    type: Annotated[Literal["dpv:StorageDuration"], OPERATIONAL]
    duration: Annotated[Until, Field(alias="dpv:hasDuration")]


class Process(Contract):
    type: Annotated[Literal["dpv:Process"], OPERATIONAL]
    purpose: Annotated[Term, Field(alias="dpv:hasPurpose")]
    personal_data: Annotated[list[Term], Field(alias="dpv:hasPersonalData")]
    recipient: Annotated[Term, Field(alias="dpv:hasRecipient")]
    storage: Annotated[Storage, Field(alias="dpv:hasStorageCondition")]


class Exercise(Contract):
    """How something is done, and where."""

    type: list[Term]
    at: Annotated[Term, Field(alias="dpv:isExercisedAt")]


class Notice(Contract):
    id: Term
    type: Annotated[Literal["dpv:ConsentNotice"], OPERATIONAL]
    version: Annotated[str, CONSENT, Field(alias="dct:hasVersion")]


class Status(Contract):
    type: list[Annotated[str, CONSENT]]
    by: Annotated[Literal["dpv:DataSubject"], OPERATIONAL, Field(alias="dpv:isIndicatedBy")]
    at: Annotated[AwareDatetime, CONSENT, Field(alias="dpv:isIndicatedAtTime")]
    version: Annotated[str, CONSENT, Field(alias="dct:hasVersion")]


class Record(Contract):
    id: Term
    type: Annotated[Literal["dpv:ConsentRecord"], OPERATIONAL]
    identifier: Annotated[Term, Field(alias="dct:identifier")]
    conforms_to: Annotated[Term, Field(alias="dct:conformsTo")]
    data_subject: Annotated[DataSubject, Field(alias="dpv:hasDataSubject")]
    controller: Annotated[DataController, Field(alias="dpv:hasDataController")]
    jurisdiction: Annotated[Term, Field(alias="dpv:hasJurisdiction")]
    law: Annotated[Term, Field(alias="dpv:hasApplicableLaw")]
    basis: Annotated[Term, Field(alias="dpv:hasLegalBasis")]
    process: Annotated[Process, Field(alias="dpv:hasProcess")]
    control: Annotated[Exercise, Field(alias="dpv:hasConsentControl")]
    right: Annotated[Exercise, Field(alias="dpv:hasRight")]
    notice: Annotated[Notice, Field(alias="dpv:hasNotice")]
    status: Annotated[list[Status], Field(alias="dpv:hasConsentStatus")]


class ConsentReceipt(Contract, subject="subject_id"):
    """`subject_id` is the API's, and no term of the context: programs that read JSON-LD pass it
    over."""

    context: Annotated[Context, Field(alias="@context")]
    subject_id: SubjectId
    id: Term
    type: Annotated[Literal["dpv:ConsentReceipt"], OPERATIONAL]
    identifier: Annotated[Term, Field(alias="dct:identifier")]
    conforms_to: Annotated[Term, Field(alias="dct:conformsTo")]
    created: Annotated[AwareDatetime, OPERATIONAL, Field(alias="dct:created")]
    publisher: Annotated[Term, Field(alias="dct:publisher")]
    recipient: Annotated[Literal["dpv:DataSubject"], OPERATIONAL, Field(alias="schema:recipient")]
    record: Annotated[Record, Field(alias="dpv:hasRecordOfActivity")]


def receipt(
    name: ConsentName, changes: Sequence[ConsentChange], *, controller: Controller, now: datetime
) -> dict[str, Any]:
    """For all that was said about one consent, oldest first."""
    last = changes[-1]
    return {
        "@context": TERMS,
        "subject_id": last.subject_id,
        "id": f"urn:privity:receipt:{last.id}",
        "type": "dpv:ConsentReceipt",
        "dct:identifier": last.id,
        "dct:conformsTo": f"{PROFILE}#receipt",
        "dct:created": now,
        "dct:publisher": controller.url,
        "schema:recipient": "dpv:DataSubject",
        "dpv:hasRecordOfActivity": _record(name, changes, controller),
    }


def _record(
    name: ConsentName, changes: Sequence[ConsentChange], controller: Controller
) -> dict[str, Any]:
    first, last, terms = changes[0], changes[-1], AGREED_TO[name]
    manage = f"{controller.url}/v1/consents/{name}"
    return {
        "id": f"urn:privity:consent:{first.id}",
        "type": "dpv:ConsentRecord",
        "dct:identifier": first.id,
        "dct:conformsTo": f"{PROFILE}#record",
        "dpv:hasDataSubject": {
            "id": f"urn:privity:{last.subject_id}",
            "skos:broader": "dpv:Consumer",
        },
        "dpv:hasDataController": {
            "id": controller.url,
            "type": "dpv:DataController",
            "dpv:hasName": controller.name,
        },
        "dpv:hasJurisdiction": f"loc:{controller.country}",
        "dpv:hasApplicableLaw": "eu-gdpr:GDPR",
        "dpv:hasLegalBasis": "eu-gdpr:A6-1-a",
        "dpv:hasProcess": {
            "type": "dpv:Process",
            "dpv:hasPurpose": terms.purpose,
            "dpv:hasPersonalData": list(terms.personal_data),
            "dpv:hasRecipient": controller.url,
            "dpv:hasStorageCondition": {
                "type": "dpv:StorageDuration",
                "dpv:hasDuration": {
                    "type": "dpv:UntilEventDuration",
                    "rdf:value": "the consent is withdrawn or the account is closed",
                },
            },
        },
        "dpv:hasConsentControl": {
            "type": ["dpv:ProvideConsent", "dpv:WithdrawConsent"],
            "dpv:isExercisedAt": manage,
        },
        "dpv:hasRight": {
            "type": ["dpv:DataSubjectRight", "eu-gdpr:A7-3"],
            "dpv:isExercisedAt": manage,
        },
        "dpv:hasNotice": {
            "id": f"{controller.url}/v1/policy",
            "type": "dpv:ConsentNotice",
            "dct:hasVersion": last.policy_version,
        },
        "dpv:hasConsentStatus": [_status(change) for change in changes],
    }


def _status(change: ConsentChange) -> dict[str, Any]:
    given = ["dpv:ConsentGiven", "dpv:ExpressedConsent"]
    return {
        "type": given if change.given else ["dpv:ConsentWithdrawn"],
        "dpv:isIndicatedBy": "dpv:DataSubject",
        "dpv:isIndicatedAtTime": change.at,
        "dct:hasVersion": change.policy_version,
    }
