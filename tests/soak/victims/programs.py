"""All victims. WRITERS end with their work, or in a sentence when the disk fails at any of their writes."""

from tests.soak.victims.evaluation import EVALUATOR
from tests.soak.victims.models import IMPORTER, PUBLISHER
from tests.soak.victims.page import PAGE
from tests.soak.victims.preparation import CACHE_BUILDER, PREPARATION
from tests.soak.victims.services import DECODERS, QUEUE, SERVER
from tests.soak.victims.training import TRAINER

WRITERS = (TRAINER, PREPARATION, CACHE_BUILDER, EVALUATOR, IMPORTER, PUBLISHER, PAGE)
PROGRAMS = (*WRITERS, DECODERS, SERVER, QUEUE)
