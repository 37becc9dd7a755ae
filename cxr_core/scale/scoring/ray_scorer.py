"""What runs the networks on the nodes of a cluster, on films that were decoded elsewhere."""

from collections.abc import Mapping, Sequence

from cxr_core.errors import FilmRefused, SilhouetteError
from cxr_core.film.decoding.sandbox import DecodePool
from cxr_core.film.radiograph import Radiograph
from cxr_core.reading.reader import Reader
from cxr_core.reading.site_profile import SiteProfile
from cxr_core.scale.scoring.columns import Row
from cxr_core.scale.scoring.local_reader import RowMaker
from cxr_core.scale.scoring.ray_decoder import DecodedFile
from cxr_core.scale.scoring.scoring_folder import ScoringRecord, describe_scoring
from cxr_core.workspace.malloc import keep_freed_memory


class DecodedFilms(DecodePool):
    """Stands for the decoders of a reader whose films were decoded elsewhere."""

    def __init__(self) -> None:
        super().__init__(workers=1)
        self.contents: Mapping[bytes, Radiograph | FilmRefused] = {}

    def decode(self, data: bytes) -> Radiograph:
        """The film of a file that was decoded before. Raises FilmRefused as decoding did."""
        content = self.contents[data]
        if isinstance(content, FilmRefused):
            raise content
        return content


class FilmScorer:
    """One process of a node that runs the installed models."""

    def __init__(self) -> None:
        """Load the models at once, while the machine that asks for them still loads its own."""
        keep_freed_memory()
        self._films = DecodedFilms()
        self._reader: Reader | SilhouetteError
        try:
            self._reader = Reader.installed(decoders=self._films)
        except SilhouetteError as error:
            self._reader = error

    def start(self, record: ScoringRecord) -> str:
        """Get ready to score as a record says. Returns a problem, or nothing: every node must read as the first one."""
        self._record = record
        if isinstance(self._reader, SilhouetteError):
            return str(self._reader)
        profile = SiteProfile(models=record.site_profile)
        try:
            own = describe_scoring(self._reader, record.decision, record.prevalence, profile)
        except SilhouetteError as error:
            return str(error)
        difference = own.describe_difference(record)
        return f"its {difference} differ from those of this machine" if difference else ""

    def read(self, files: Sequence[DecodedFile], kept: Sequence[int]) -> list[Row]:
        """The rows of some of the files. kept: their places."""
        assert isinstance(self._reader, Reader)  # else `start` has told the problem
        chosen = [files[place] for place in kept]
        self._films.contents = {file.data: file.content for file in chosen}
        maker = RowMaker(self._record)
        examinations = self._reader.examine_many(file.data for file in chosen)
        return [
            maker.make_row(file.film, file.data, examination, file.failure)
            for file, examination in zip(chosen, examinations, strict=True)
        ]
