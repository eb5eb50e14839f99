"""Who writes each source of the miniature world: a table by the names of `sources` in params/data.yaml."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from components.world import (
    charades_ego,
    conversations,
    ego4d,
    egoclip,
    egoexo4d,
    egoexolearn,
    egoit_sources,
    epic100,
    lemma,
    visor,
    web,
    web_captions,
)
from components.world.films import Film
from components.world.plan import WorldPlan

# source -> writes its annotations into a folder that is there, and returns the films that are still to be made
WRITERS: dict[str, Callable[[Path, WorldPlan], list[Film]]] = {
    "egoexo4d": egoexo4d.write,
    "epic100": epic100.write,
    "visor": visor.write,
    "egoexolearn": egoexolearn.write,
    "ego4d": ego4d.write,
    "charades_ego": charades_ego.write,
    "lemma": lemma.write,
    "egoclip": egoclip.write,
    "general": conversations.write,
    **{source: partial(egoit_sources.write, source) for source in egoit_sources.FIRST_TAKE},
    **{corpus: partial(web.write, corpus) for corpus in web.CORPORA},
    **{corpus: partial(web_captions.write, corpus) for corpus in web_captions.FIRST_TAKE},
}
