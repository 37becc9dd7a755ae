"""All victims. WRITERS write below the workspace in one process, so that a disk can fail at each of their writes."""

from tests.soak.victims.evaluation import EVALUATOR
from tests.soak.victims.models import IMPORTER, PUBLISHER
from tests.soak.victims.page import PAGE
from tests.soak.victims.preparation import CACHE_BUILDER, PREPARATION
from tests.soak.victims.services import DECODERS, QUEUE, SERVER
from tests.soak.victims.training import TRAINER

WRITERS = (TRAINER, PREPARATION, EVALUATOR, IMPORTER, PUBLISHER, PAGE)
PROGRAMS = (*WRITERS, CACHE_BUILDER, DECODERS, SERVER, QUEUE)
