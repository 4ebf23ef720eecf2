"""The page at / as a person meets it: in a real Chromium, against the real server."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from docsort.serving.page import page_policy, render_page
from tests.serving.browser import Page, browser
from tests.serving.conftest import RunningServer

PHONE, DESKTOP = (390, 844), (1280, 800)
TEXT = "the bank's <b>profit</b>"
# Enough of what a person sees to tell whether it is right.
SEEN = """(() => {
  const at = id => document.getElementById(id);
  const rows = [...document.querySelectorAll("#scores li")].map(row => ({
    label: row.children[0].textContent,
    share: row.querySelector(".bar").getBoundingClientRect().width
         / row.querySelector(".track").getBoundingClientRect().width,
    number: row.querySelector(".number").textContent,
  }));
  const style = getComputedStyle(document.body);
  return {rows, label: at("label").textContent, read: at("read").textContent,
          version: at("version").textContent, requestId: at("requestId").textContent,
          curl: at("curl").textContent, width: document.documentElement.scrollWidth,
          colors: [style.color, style.backgroundColor]};
})()"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("chromium")) as page:
        yield page


def classify(page: Page, text: str) -> None:
    page.wait_for("!document.getElementById('classify').disabled")
    page.run(
        "(document.getElementById('text').value = '', document.getElementById('text').focus())"
    )
    page.type(text)
    page.run("document.getElementById('classify').click()")
    page.wait_for("!document.getElementById('classify').disabled")


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_a_pasted_text_is_answered(
    server: RunningServer, page: Page, size: tuple[int, int], dark: bool
) -> None:
    page.complaints.clear()
    page.open(server.url + "/", *size, dark)
    classify(page, TEXT)
    seen = page.run(SEEN)
    said = httpx.post(
        server.url + "/predictions/tiny", content=TEXT, headers={"Content-Type": "text/plain"}
    ).json()
    assert seen["label"] == said["label"]
    assert seen["version"] == "tiny 2.0"
    assert seen["read"] == f"all of its {said['receipt']['tokens']} tokens, in 1 window"
    assert len(seen["requestId"]) == 32
    assert [row["label"] for row in seen["rows"]] == [entry["label"] for entry in said["scores"]]
    for row, entry in zip(seen["rows"], said["scores"], strict=True):
        assert row["share"] == pytest.approx(entry["score"], abs=0.02)
        assert float(row["number"].split()[0]) == pytest.approx(100 * entry["score"], abs=0.06)
    assert seen["width"] <= size[0]
    ink, paper = (sum(map(int, re.findall(r"\d+", color)[:3])) for color in seen["colors"])
    assert (ink > paper) == dark
    # what the page offers to copy says the same
    curl = subprocess.run(
        [*shlex.split(seen["curl"]), "-s", "-f"], capture_output=True, text=True, check=True
    )
    assert json.loads(curl.stdout)["scores"] == said["scores"]
    assert page.complaints == []


@pytest.mark.browser
def test_another_version_a_refusal_and_a_dropped_file(server: RunningServer, page: Page) -> None:
    page.open(server.url + "/", *DESKTOP)
    page.wait_for("!document.getElementById('classify').disabled")
    options = page.run("[...document.getElementById('model').options].map(o => o.value)")
    assert options == ["tiny", "tiny/1.0"]
    page.run("document.getElementById('model').value = 'tiny/1.0'")
    classify(page, "@" + "a bank " * 100)
    seen = page.run(SEEN)
    assert seen["version"] == "tiny 1.0"
    assert "the rest was not read" in seen["read"]
    assert "--data-binary @document.txt" in seen["curl"]

    classify(page, '{"text": "a bank"}')  # a document, not a request
    seen = page.run(SEEN)
    assert seen["version"] == "tiny 1.0"
    assert "'Content-Type: application/json'" in seen["curl"]

    classify(page, "bank " * 20_000)
    assert page.run("document.getElementById('answer').hidden")
    assert "over 65536 bytes" in page.run("document.getElementById('error').textContent")

    drop = """(async bytes => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(bytes)], "dropped.txt"));
      document.getElementById("text").dispatchEvent(
        new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
      await new Promise(done => setTimeout(done, 200));
    })"""
    page.run(f"{drop}({list('ein Bär'.encode())})")
    assert page.run("document.getElementById('text').value") == "ein Bär"
    page.run(f"{drop}([255, 254])")
    assert "not text in UTF-8" in page.run("document.getElementById('error').textContent")


@pytest.mark.browser
def test_the_policy_stops_what_is_not_the_pages_own(server: RunningServer, page: Page) -> None:
    """The silence above can break: what the policy forbids is forbidden, and told."""
    page.open(server.url + "/", *DESKTOP)
    page.complaints.clear()
    page.run("""(() => {
      const script = document.createElement("script");
      script.textContent = "window.ran = true";
      document.body.append(script);
      document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.ran = true'>");
    })()""")
    forbidden = "fetch('http://127.0.0.2/').then(() => 'went', () => 'stopped')"
    assert page.run(forbidden) == "stopped"
    assert page.run("window.ran") is None
    assert len([said for said in page.complaints if "Content Security Policy" in said]) >= 3


def test_it_loads_nothing_and_is_no_html_from_elsewhere() -> None:
    page = render_page()
    policy = page_policy(page)
    assert policy.count("'sha256-") == 2
    assert "unsafe" not in policy
    assert not re.findall(r"(?:src|href)=\"(?!openapi\.json|data:,)", page)
    assert not re.findall(r"https?://", page)
    assert not re.findall(r" (?:style|on\w+)=", page)
    assert "innerHTML" not in page
