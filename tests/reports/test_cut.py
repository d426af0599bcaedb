"""No table and no plot is cut, at the width of a phone and of a desk, in both themes: asked of a real browser."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import test_report

from bakeoff.reports import report

data = test_report.data  # the fixture
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FRAME = """<!doctype html><body style="margin:0"><iframe id="f" src="{page}" style="border:0;width:{width}px">
</iframe><pre id="said"></pre><script>
document.getElementById("f").onload = (event) => {{
  const page = event.target.contentDocument;
  page.querySelectorAll("details").forEach((one) => one.open = true);
  const cut = [...page.querySelectorAll("html, .scroll, svg, figure, section, h1, li")].filter((one) =>
    one.scrollWidth > one.clientWidth + 1 || one.getBoundingClientRect().right > {width} + 1);
  for (const one of page.querySelectorAll("svg text")) {{
    const plot = one.closest("svg"), shown = getComputedStyle(plot).overflow === "visible";
    const room = (shown ? plot.parentElement : plot).getBoundingClientRect(), text = one.getBoundingClientRect();
    if (text.width && (text.left < room.left || text.right > room.right + 1)) cut.push(one);
  }}
  document.getElementById("said").textContent = JSON.stringify(
    [page.querySelectorAll("table").length, cut.map((one) => one.outerHTML.slice(0, 200))]);
}};
</script>"""


def measured(page: Path, width: int, dark: bool) -> tuple[int, list[str]]:
    """How many tables a page has, and what of it is wider than there is room."""
    frame = page.with_suffix(".frame.html")
    frame.write_text(FRAME.format(page=page.name, width=width), encoding="utf-8")
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--allow-file-access-from-files",
        "--virtual-time-budget=4000",
    ]
    flags += ["--virtual-time-budget=4000", *(["--blink-settings=preferredColorScheme=0"] if dark else [])]
    profile = f"--user-data-dir={page.parent / 'profile'}"
    called = [str(CHROMIUM), *flags, profile, f"--window-size={width + 20},1000", "--dump-dom", frame.as_uri()]
    done = subprocess.run(called, capture_output=True, text=True, timeout=120)
    said = re.search(r'<pre id="said">(.+?)</pre>', done.stdout, re.DOTALL)
    assert said, done.stderr[-500:]
    tables, cut = json.loads(html.unescape(said[1]))
    return tables, cut


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("kind", ["run", "comparison", "labels"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_nothing_is_cut(tmp_path: Path, data: Path, kind: str, lang: str, width: int) -> None:
    folder = tmp_path / "a-run-with-a-name-that-is-longer-than-the-screen-of-a-phone-is-wide"
    made = test_report.make_comparison(folder, data) if kind == "comparison" else test_report.make_run(folder, data)
    page = report(
        test_report.with_several_labels(made) if kind == "labels" else made, tmp_path / "report.html", lang=lang
    )
    tables, cut = measured(page, width, dark=lang == "zh")
    assert tables > 1
    assert not cut


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_what_is_cut_is_found(tmp_path: Path) -> None:
    page = tmp_path / "wide.html"
    page.write_text('<div class="scroll" style="overflow-x:auto"><table><td style="min-width:600px">x</table></div>')
    assert len(measured(page, 390, dark=False)[1]) == 1
    text = '<svg viewBox="0 0 100 20" style="{}"><text x="{}" y="15" text-anchor="end">100.0 %</text></svg>'
    for style, x, count in (("", 99, 0), ("", 20, 1), ("overflow:visible", 20, 1), ("", 130, 1)):
        page.write_text(f"<div>{text.format(style, x)}</div>")
        assert len(measured(page, 390, dark=False)[1]) == count, (style, x)
