"""The site builds without a warning, fetches nothing from elsewhere, and names only what is there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from docs import generate, notebook

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
LONGEST_README = 150


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_every_page_is_in_the_site(site):
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} <= {path.stem for path in site.glob("*.html")}


def test_the_site_fetches_nothing_from_elsewhere(site):
    fetched = re.compile(
        r"""<(?:script|img|iframe)[^>]*\ssrc="(https?:)?//|<link[^>]*rel="(?:stylesheet|preconnect)"[^>]*https?:"""
    )
    assert [path.name for path in site.rglob("*.html") if fetched.search(path.read_text())] == []


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_parts_are_what_the_command_writes(name):
    page = (ROOT / name).read_text()
    assert page == generate.filled(page), f"{name} is stale: run python -m docs.generate"


def test_the_notebook_has_the_code_that_the_test_of_its_page_runs():
    text = (ROOT / generate.NOTEBOOK).read_text()
    assert text == notebook.asking(), "stale: run python -m docs.generate"
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(text)["cells"]]
    code = [source for kind, source in cells if kind == "code"]
    blocks = re.findall(r"^```python\n(.*?)^```", notebook.PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert code == [notebook.TO_ROOT, *(block.strip() for block in blocks)] and len(blocks) == 3
    assert not any("```" in source for _, source in cells)


def test_every_region_is_on_a_page():
    named = {match[1] for name in generate.PAGES for match in generate.REGION.findall((ROOT / name).read_text())}
    assert named == set(generate.REGIONS)


def test_a_region_that_nothing_writes_is_named():
    with pytest.raises(ValueError, match="no region is named 'stagse'"):
        generate.filled("<!-- generated: stagse -->\n<!-- end -->")


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= LONGEST_README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page):
    named = re.findall(r"`((?:components|flows|tests|infra|params|docs|results)/[\w./-]+)`", page.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_links_of_pages_outside_the_site_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_every_deployment_is_described():
    known = YAML(typ="safe").load((ROOT / "infra/prefect.yaml").read_text())["deployments"]
    [table] = re.findall(r"\n\| deployment \|.*?\n\n", (ROOT / "docs/operations.md").read_text(), re.DOTALL)
    described = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(described) == sorted(one["name"] for one in known)


def test_every_section_that_the_code_cites_exists():
    sections = set(re.findall(r"^##+ (\d+(?:\.\d+)?)", (ROOT / "docs/systems.md").read_text(), re.MULTILINE))
    rows = set(re.findall(r"^\| (\w\d) \|", (ROOT / "docs/systems.md").read_text(), re.MULTILINE))
    files = [path for folder in ("components", "flows", "params", "tests") for path in (ROOT / folder).rglob("*.*")]
    text = "\n".join(path.read_text() for path in files if path.suffix in (".py", ".yaml"))
    cited = re.findall(r"systems §(\d+(?:\.\d+)?)(?:-(\d\.\d))?(?:,? (?:§\d )?([A-Z]\d))?", text)
    assert len(cited) > 40
    assert {section for first, last, _ in cited for section in (first, last) if section} <= sections
    assert {row for *_, row in cited if row} <= rows
