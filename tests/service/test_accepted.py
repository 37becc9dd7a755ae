"""The form of an answer follows the Accept header, as RFC 9110 has it."""

import pytest
from starlette.exceptions import HTTPException

from pages.components.service.accepted import DICOM, JSON, choose_media_type


@pytest.mark.parametrize(
    ("headers", "chosen"),
    [
        ([], JSON),
        ([""], JSON),
        (["*/*"], JSON),
        (["application/*"], JSON),
        (["application/dicom"], DICOM),
        (["Application/DICOM ; q=0.4"], DICOM),
        (["application/json, application/dicom"], JSON),
        (["application/json;q=0.5, application/dicom"], DICOM),
        (["application/json;q=0.5", "application/dicom;q=0.9"], DICOM),
        (["application/dicom, */*;q=0.1"], DICOM),
        (["application/json;q=0, */*"], DICOM),
        (["text/html, application/json;q=nonsense"], JSON),
    ],
)
def test_the_client_gets_what_it_prefers(headers: list[str], chosen: str) -> None:
    assert choose_media_type(headers) == chosen


@pytest.mark.parametrize("header", ["text/html", "application/dicom+json", "*/*;q=0", "image/*"])
def test_what_is_not_offered_is_refused_with_what_is(header: str) -> None:
    with pytest.raises(HTTPException) as refused:
        choose_media_type([header])
    assert refused.value.status_code == 406
    assert JSON in refused.value.detail
    assert DICOM in refused.value.detail
