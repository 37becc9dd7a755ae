"""Describes the service for programs (OpenAPI 3.1): its paths, their options, and every answer."""

from typing import Any

from cxr_core.decisions import DECISIONS, DEFAULT_DECISION
from cxr_core.reading.read_options import OLDEST, VIEWS, YOUNGEST
from cxr_core.version import VERSION
from pages.components.service.accepted import DICOM, JSON
from pages.components.service.reading_schema import (
    SENTENCES,
    SHA256,
    TEXT,
    Schema,
    choice,
    list_schemas,
    or_null,
    record,
    refer_to,
)

READ, MODELS, DESCRIPTION = "/api/v1/read", "/api/v1/models", "/api/v1/openapi.json"
ALIVE, READY, METRICS = "/healthz", "/readyz", "/metrics"
PLAIN = "text/plain"
NOTICE = (
    "Reads frontal chest films. Not a medical device: a qualified reader must check every result."
)
KEY = "apiKey"  # the name of the way in which a client identifies itself
REFUSALS = {
    400: "An option is unknown or wrong, or the form does not hold one file.",
    401: "An API key is needed, and none that is valid was sent.",
    406: "No answer can be given in the form that Accept asks for.",
    408: "The film did not arrive in time.",
    413: "The request is larger than what is read.",
    429: "All places for films are taken.",
    503: "No model can read films.",
}


def describe_service() -> dict[str, Any]:
    """The OpenAPI description of every path of the service."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Silhouette", "version": VERSION, "description": NOTICE},
        "paths": {
            READ: {"post": _describe_read()},
            MODELS: {"get": _describe_get("The models in use", {JSON: _describe_models()}, [503])},
            DESCRIPTION: {"get": _describe_get("This description", {JSON: {"type": "object"}})},
            ALIVE: {"get": _describe_open("Whether the process answers", "ok", [])},
            READY: {"get": _describe_open("Whether the next film would be read", "ready", [503])},
            METRICS: {"get": _describe_get("Figures for Prometheus", {PLAIN: TEXT})},
        },
        "components": {
            "schemas": list_schemas(),
            "securitySchemes": {KEY: {"type": "http", "scheme": "bearer"}},
        },
        "security": [{KEY: []}],
    }


def _describe_read() -> dict[str, Any]:
    film = {"type": "string", "format": "binary"}
    answers = _answers(
        "The reading of the film, or why the film is refused (`status`)",
        {JSON: refer_to("Reading"), DICOM: film},
        list(REFUSALS),
    )
    answers["429"]["headers"] = {
        "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
    }
    return {
        "operationId": "read",
        "summary": "Read one film",
        "description": f"{DICOM} is the result as a structured report; for DICOM films.",
        "parameters": [
            _option(
                "age",
                "The patient's age in years; overrides the file's.",
                {"type": "number", "minimum": YOUNGEST, "maximum": OLDEST},
            ),
            _option("view", "The view; overrides the file's.", choice(VIEWS)),
            _option(
                "decision",
                "How a probability becomes a verdict.",
                {**choice(DECISIONS), "default": DEFAULT_DECISION},
            ),
            _option(
                "prevalence",
                "Share of patients with the finding, for all findings (0.1) or one (cardiomegaly=0.1).",
                {"type": "array", "items": TEXT},
            ),
        ],
        "requestBody": {
            "required": True,
            "description": "A film: DICOM, PNG, JPEG, TIFF, WebP or BMP.",
            "content": {
                "application/octet-stream": {"schema": film},
                "multipart/form-data": {"schema": record({"file": film})},
            },
        },
        "responses": answers,
    }


def _describe_get(
    purpose: str, content: dict[str, Schema], refusals: list[int] | None = None
) -> dict[str, Any]:
    return {"summary": purpose, "responses": _answers(purpose, content, [401, *(refusals or [])])}


def _describe_open(purpose: str, word: str, refusals: list[int]) -> dict[str, Any]:
    """A path that answers without a key."""
    answers = _answers(purpose, {JSON: _status(word)}, refusals)
    return {"summary": purpose, "security": [], "responses": answers}


def _answers(purpose: str, content: dict[str, Schema], refusals: list[int]) -> dict[str, Any]:
    answers: dict[str, Any] = {
        "200": {
            "description": purpose,
            "content": {kind: {"schema": schema} for kind, schema in content.items()},
        }
    }
    error = {JSON: {"schema": refer_to("Error")}}
    for status in refusals:
        answers[str(status)] = {"description": REFUSALS[status], "content": error}
    return answers


def _option(name: str, purpose: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": purpose, "schema": schema}


def _status(word: str) -> Schema:
    return record({"status": choice((word,))})


def _describe_models() -> Schema:
    population = record(
        {
            "text": TEXT,
            "age_min": or_null({"type": "integer"}),
            "age_max": or_null({"type": "integer"}),
            "views": SENTENCES,
        }
    )
    model = record(
        {
            "model": TEXT,
            "version": TEXT,
            "kind": choice(("classifier", "segmenter")),
            "population": population,
            "weights_sha256": SHA256,
            "training": {"type": "object"},
            "metrics": {"type": "object"},
        },
        {"findings": {"type": "array", "items": {"type": "object"}}, "structures": SENTENCES},
    )
    return record({"models": {"type": "array", "items": model}, "left_out": SENTENCES})
