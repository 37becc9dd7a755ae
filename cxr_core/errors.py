"""Everything that can go wrong, as one tree; each message is a sentence fit for the screen.

SilhouetteError
├── FilmRefused            a film that gets no reading (carries a short code)
│   ├── UndecodableFilm        the bytes are not one image that we read
│   ├── OversizedFilm          more bytes or pixels than the limits allow
│   └── UnsuitableFilm         an image, but not one that a model may read
├── ModelError             a model folder that cannot be used
│   └── PretrainedUnavailable  weights of a hub that is out of reach
├── ReadingError           a network gave something that is no number
├── DataError              a dataset that cannot be used
│   └── Cancelled              preparing it was stopped on purpose
└── RecipeError            a training recipe that contradicts itself
    └── RunError           a run folder that cannot be written or continued
"""


class SilhouetteError(Exception):
    """What pages and commands catch: the message says what was found, what was expected and what to do."""


class FilmRefused(SilhouetteError):
    """A film that gets no reading. `code` is stable and machine-readable, the message is for people."""

    def __init__(self, message: str, code: str = "undecodable"):
        super().__init__(message)
        self.code = code


class UndecodableFilm(FilmRefused):
    """The bytes are not a PNG, JPEG or DICOM holding one readable image."""


class OversizedFilm(FilmRefused):
    """More bytes or pixels than the limits allow; said before any pixel is allocated."""

    def __init__(self, message: str, code: str = "oversized"):
        super().__init__(message, code)


class UnsuitableFilm(FilmRefused):
    """An image that decodes, but that no model may read."""


class ModelError(SilhouetteError):
    """A model folder that is incomplete, damaged or of another schema."""


class PretrainedUnavailable(ModelError):
    """Pretrained weights were asked for and their hub cannot be reached."""


class ReadingError(SilhouetteError):
    """A network gave NaN or an infinite logit: an error, never '0 %'."""


class DataError(SilhouetteError):
    """A dataset that is missing, empty or not laid out as its kind says."""


class Cancelled(DataError):
    """Somebody stopped what was going on; what was done so far is kept and is not done again."""


class RecipeError(SilhouetteError):
    """A recipe with an unknown key, a value out of range or a contradiction."""


class RunError(RecipeError):
    """A run folder that cannot be written, continued or evaluated."""
