import time, torch
from safetensors.torch import load_file
from components.models.backbone import part_of
from components import params
from tests.components.train.conftest import *
def test_x(chain, workshop):
    recipe = params.load(workshop.folder/"recipe.yaml", params.Recipe)
    import json
    for s in recipe.stages:
        own = load_file(chain[s.name]/"model/model.safetensors")
        prov = json.loads((chain[s.name]/"stage.json").read_text())
        ch, un = {}, {}
        for n,v in own.items():
            p = part_of(n); par = s.parents.get(p, s.parents.get("all"))
            if par is None: continue
            (un if torch.equal(v, load_file(chain[par]/"model/model.safetensors")[n]) else ch).setdefault(p, []).append(n)
        print(s.name, prov["seconds"], {p: len(x) for p,x in ch.items()}, "| train", dict(s.train))
        for p in s.train: print("     unchanged in trained:", p, un.get(p))
