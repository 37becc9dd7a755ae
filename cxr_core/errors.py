"""The errors of this program, as one tree; each message is a sentence fit for the screen.

SilhouetteError
├── FilmRefused            a film that gets no reading (with a short code)
│   ├── UndecodableFilm        the bytes are not one image in a format that we read
│   └── OversizedFilm          more bytes or pixels than the limits allow
├── FileRefused            a file or path from outside that is not opened
│   └── FileTimedOut           a file whose disk does not answer
├── SettingsError          an input specification or a phantom with a value out of range
├── ModelError             a model folder that cannot be used
│   ├── PretrainedUnavailable  pretrained weights that cannot be downloaded
│   └── CodeRefused            a user's own Python file that is not run, or that fails
├── ReadingError           a reading that cannot be computed
├── RecordError            a file kept by this program that does not hold what its kind holds
├── DataError              a dataset that cannot be used
│   └── SplitMissing           a split without films
├── RecipeError            a training recipe that contradicts itself
├── SiteError              a test on a site's own films, or its profile, that cannot be made, kept or installed
├── FeedbackError          a reader's verdict, or a project of films, that cannot be kept, opened or used
├── ArchiveError           a picture archive (PACS) that cannot be worked with
│   ├── ArchiveUnreachable     no answer, or none for now: trying again later may help
│   └── ArchiveRefused         an answer that will not change by trying again
├── NodeError              the receiving node cannot start, or cannot use its queue
├── AccessRefused          an action for which a role or a key is missing
├── AuditError             an action that cannot be recorded in the audit log
├── ScaleError             an archive, a search or a cluster that cannot be worked on
├── RunError               a run folder that cannot be written or continued
│   ├── TrainingDiverged       a run whose loss is no longer finite
│   └── TrainingStopped        a run that the user stopped; also Cancelled
└── Cancelled              the user stopped the work
"""


class SilhouetteError(Exception):
    """The base class, which pages and commands catch. A message says what was found, what was expected, what to do."""


class FilmRefused(SilhouetteError):
    """A film that gets no reading. `code` is stable and machine-readable; the message is for people."""

    def __init__(self, message: str, code: str = "undecodable"):
        super().__init__(message)
        self.code = code


class UndecodableFilm(FilmRefused):
    """The bytes are not one whole picture in a format that is read."""


class OversizedFilm(FilmRefused):
    """More bytes or pixels than the limits allow; raised before any pixel is allocated."""

    def __init__(self, message: str, code: str = "oversized"):
        super().__init__(message, code)


class FileRefused(SilhouetteError):
    """A file from outside that is not opened: no regular file, too large, not there, or too slow to read.

    The message names the file and says what to do; `reason` is what was found, without either.
    """

    def __init__(self, name: str, reason: str, advice: str):
        super().__init__(f"{name} cannot be opened: {reason}; {advice}")
        self.reason = reason


class FileTimedOut(FileRefused):
    """A file that was not read in time, since the disk that it lies on does not answer."""


class SettingsError(SilhouetteError):
    """An input specification or a phantom specification with a value that is out of range or unknown."""


class ModelError(SilhouetteError):
    """A model folder that is incomplete, damaged or of another schema."""


class PretrainedUnavailable(ModelError):
    """A recipe needs pretrained weights, and they cannot be downloaded."""


class CodeRefused(ModelError):
    """A user's own Python file that may not run, is not there, has changed, or fails."""


class ReadingError(SilhouetteError):
    """A reading that cannot be computed: a NaN or infinite logit (never shown as 0 %), an unknown heatmap method."""


class RecordError(SilhouetteError):
    """A file kept by this program, or a value in it, that is not what its kind holds. Readers add the file's name."""


class DataError(SilhouetteError):
    """A dataset that is missing, empty or not laid out as its kind requires."""


class SplitMissing(DataError):
    """A split that the data does not have, or that has no film."""


class RecipeError(SilhouetteError):
    """A recipe with an unknown key, a value out of range or a contradiction."""


class SiteError(SilhouetteError):
    """A test on a site's own films, or a profile made from it, that cannot be made, kept, installed or revoked."""


class ArchiveError(SilhouetteError):
    """A picture archive that cannot be worked with. A message names the archive's address, and never a patient."""


class ArchiveUnreachable(ArchiveError):
    """An archive that does not answer, or not now: trying again later may help."""


class ArchiveRefused(ArchiveError):
    """An archive, or a question to it, that will not do however often it is tried."""


class NodeError(SilhouetteError):
    """The receiving node cannot start, since another works or its port is taken, or its queue cannot be used."""


class FeedbackError(SilhouetteError):
    """A reader's verdict, or a project of films and verdicts, that cannot be kept, opened, shown or used."""


class AccessRefused(SilhouetteError):
    """An action for which whoever asked for it has not the role, the sign-in or the key."""


class AuditError(SilhouetteError):
    """An action that cannot be recorded in the audit log, or an audit log that cannot be used."""


class ScaleError(SilhouetteError):
    """An archive that cannot be scored, a search that cannot be begun or continued, a cluster that is not there."""


class RunError(SilhouetteError):
    """A run folder that cannot be written, continued or evaluated."""


class Cancelled(SilhouetteError):
    """The user stopped the work. What was finished by then is kept and not repeated."""


class TrainingDiverged(RunError):
    """A run whose loss is no longer a finite number: its settings do not suit its films."""


class TrainingStopped(RunError, Cancelled):
    """The user stopped a run, which has written a checkpoint and can be resumed."""
