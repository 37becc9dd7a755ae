"""Describes the JSON of a reading as a schema (JSON Schema 2020-12), for the service's own description."""

from collections.abc import Mapping
from typing import Any, get_args

from cxr_core.decisions import DECISIONS
from cxr_core.film.radiograph import View
from cxr_core.models.card import OPERATING_POINTS
from cxr_core.reading.decision import UNCERTAINTIES, Call
from cxr_core.reading.patient import AGE_GROUPS

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
SENTENCES: Schema = {"type": "array", "items": TEXT}
SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
POINT: Schema = {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}
LINE: Schema = {"type": "array", "items": POINT, "minItems": 2, "maxItems": 2}


def or_null(schema: Schema) -> Schema:
    """A value of a schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def choice(values: tuple[str, ...]) -> Schema:
    """One of a few words."""
    return {"type": "string", "enum": list(values)}


def record(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object with these fields. Later versions may add fields, and none drops one."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
    }


def list_schemas() -> dict[str, Schema]:
    """The schemas of a reading and of its parts, by name; they refer to one another below #/components/schemas."""
    return {
        "Reading": _describe_reading(),
        "Finding": _describe_finding(),
        "SiteProfile": _describe_site_profile(),
        "Measurement": _describe_measurement(),
        "Error": record({"error": {**TEXT, "description": "What was found, and what to do."}}),
    }


def refer_to(name: str) -> Schema:
    """A reference to one of the schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def _list_of(name: str) -> Schema:
    return {"type": "array", "items": refer_to(name)}


def _describe_reading() -> Schema:
    patient = record(
        {
            "age_years": or_null(NUMBER),
            "age_group": or_null(choice(tuple(AGE_GROUPS))),
            "view": or_null(choice(get_args(View))),
        }
    )
    adjustments = record({"inverted": FLAG, "quarter_turns": COUNT, "mirrored": FLAG})
    return record(
        {
            "file": {**TEXT, "description": "The name that came with the film."},
            "sha256": SHA256,
            "status": {
                **choice(("read", "refused")),
                "description": "A refused film has a reason, and no findings.",
            },
            "reason": or_null(TEXT),
            "concerns": {"type": "array", "items": record({"code": TEXT, "message": TEXT})},
            "findings": _list_of("Finding"),
            "measurements": _list_of("Measurement"),
            "remarks": SENTENCES,
            "not_assessed": SENTENCES,
            "patient": patient,
            "adjustments": adjustments,
            "seconds": {"type": "number", "minimum": 0},
            "backends": {"type": "object", "additionalProperties": TEXT},
        }
    )


def _describe_finding() -> Schema:
    required = {
        "finding": TEXT,
        "probability": or_null(SHARE),
        "logit": or_null(NUMBER),
        "threshold": or_null(SHARE),
        "operating_point": or_null(choice(OPERATING_POINTS)),
        "call": or_null(choice(get_args(Call))),
        "decision": or_null(choice(DECISIONS)),
        "present_from": or_null(SHARE),
        "absent_below": or_null(SHARE),
        "undecided_because": or_null(TEXT),
        "prevalence": or_null(SHARE),
        "likelihood_ratio": or_null({"type": "number", "minimum": 0}),
        "needs_age": FLAG,
        "model": or_null(TEXT),
        "version": or_null(TEXT),
        "population": or_null(TEXT),
        "name": TEXT,
        "locally_defined": FLAG,
    }
    parts = record(
        {"classifier": SHARE, "weight": SHARE}, {"cardiothoracic_ratio": or_null(NUMBER)}
    )
    optional = {
        "uncertain_because": {"type": "array", "items": choice(tuple(UNCERTAINTIES))},
        "definition": TEXT,
        "likely_normal": FLAG,
        "probability_reported": SHARE,
        "probability_low": SHARE,
        "probability_high": SHARE,
        "reason": TEXT,
        "site_profile": refer_to("SiteProfile"),
        "parts": parts,
        "opinions": _list_of("Finding"),
    }
    return record(required, optional)


def _describe_site_profile() -> Schema:
    required = {
        "recalibrated": FLAG,
        "decision_verified": FLAG,
        "uses_prevalence": FLAG,
        "probability_note": TEXT,
        "decision_note": TEXT,
    }
    optional = {
        "model": TEXT,
        "version": TEXT,
        "installed_on": TEXT,
        "films": COUNT,
        "patients": COUNT,
        "not_applied": TEXT,
    }
    return record(required, optional)


def _describe_measurement() -> Schema:
    return record(
        {
            "name": TEXT,
            "value": or_null(NUMBER),
            "low": or_null(NUMBER),
            "high": or_null(NUMBER),
            "unit": choice(("mm", "px")),
            "spacing_source": or_null(TEXT),
            "heart_diameter": or_null(NUMBER),
            "thorax_diameter": or_null(NUMBER),
            "heart": or_null(LINE),
            "thorax": or_null(LINE),
            "trusted": FLAG,
            "reasons": SENTENCES,
            "edited": FLAG,
            "model": TEXT,
            "version": TEXT,
            "disagreements": SENTENCES,
        }
    )
