"""The page of drift says of each feature what it was, what it is, and whether it drifted."""

from components.data.drift.compare import Change
from components.params import Drift
from components.report import drift

LIMITS = Drift(alpha=0.05, psi=0.1, auc=0.6, growth=0.2, permutations=4999, seed=3)
CHANGES = [
    Change("egore/qa: words of the answer", "categories", "opens <b> 9.1 %", "opens 30.0 %", 0.2, 0.012, 0.31, True),
    Change("number of takes", "count", "100", "110", 1.1, None, 0.1),
]


def test_the_page_has_every_feature_and_its_numbers(tmp_path):
    about = {"against": "the champion, version 3,", "reference": "d" * 64, "now": "e" * 64, "limits": LIMITS}
    page = drift.write(tmp_path / "drift/index.html", CHANGES, summary="the dataset moved", **about).read_text()
    assert "<h1>The dataset moved</h1>" in page and "<dd>the champion, version 3</dd>" in page
    assert "opens &lt;b&gt; 9.1 %" in page and "0.012" in page and "0.310<small>PSI</small>" in page
    assert page.count("<b>yes</b>") == 1 and page.count('class="still"') == 1 and "4,999 times" in page
    assert "<script" not in page and "http:" not in page and "https:" not in page
