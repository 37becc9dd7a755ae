"""The error tree: which `except` catches which error."""

import pytest

from cxr_core import errors
from cxr_core.errors import Cancelled, DataError, RecipeError, RunError, SilhouetteError


def test_every_error_is_one_that_pages_and_commands_catch() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert all(issubclass(value, SilhouetteError) for value in classes)


@pytest.mark.parametrize("error", [Cancelled, DataError, RecipeError, RunError])
def test_errors_that_need_different_answers_are_siblings(error: type[SilhouetteError]) -> None:
    assert error.__bases__ == (SilhouetteError,)
