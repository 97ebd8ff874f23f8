"""The page: what is in the file, and what it does in a browser."""

from __future__ import annotations

import shutil
from html.parser import HTMLParser
from urllib.parse import quote, urljoin

import numpy as np
import pytest
import soundfile

from asr.recognizer.transcript import Transcript, Word

WORDS = (
    Word("at", 0.1, 0.3, 0.99, display="At"), Word("twenty", 0.3, 0.6, 0.9, display="25"),
    Word("five", 0.6, 0.9, 0.6, display=""), Word("he", 1.0, 1.2, 0.95, display="he"),
    Word("left", 1.2, 1.6, 0.3, display="left."), Word("tom's", 4.0, 4.4, 0.99, display="Tom's"),
    Word("<b>", 4.4, 4.8, 0.99, display="<b>,"), Word("left", 4.8, 5.2, 0.99, display="left."),
)  # fmt: skip


class Page(HTMLParser):
    """The words of a page, and all that it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[tuple[str, dict[str, str | None]]] = []
        self.sources: list[str] = []
        self._open: dict[str, str | None] | None = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.sources += [str(values[name]) for name in ("src", "href") if name in values]
        if tag == "span":
            self._open = values

    def handle_data(self, data):
        if self._open is not None:
            self.words.append((data, self._open))
            self._open = None


@pytest.fixture
def talk(tmp_path):
    """A file of six seconds."""
    path = tmp_path / "my talk.wav"
    soundfile.write(path, 0.1 * np.sin(np.arange(6 * 8000) * 0.3).astype(np.float32), 8000)
    return path


def test_the_page_holds_words_times_confidence_and_the_audio(talk):
    html = Transcript(str(talk), 6.0, WORDS).to_html()
    page = Page(html)
    assert [word for word, _ in page.words] == ["At", "25", "he", "left.", "Tom's", "<b>,", "left."]
    assert [values.get("class") for _, values in page.words][:4] == [None, "mid", None, "low"]
    assert page.words[1][1]["data-s"] == "0.30"
    assert page.words[1][1]["data-e"] == "0.90"
    assert len(page.sources) == 1
    assert page.sources[0].startswith("data:audio/wav;base64,")
    assert "http:" not in html
    assert "https:" not in html
    assert html.count("<section") == 2  # two paragraphs: the pause is long


def test_audio_that_is_not_there_or_large_is_named_only(tmp_path, talk, monkeypatch):
    name = 'a "b" <c> #3: 50%.wav'
    (source,) = Page(Transcript(name, 6.0, WORDS).to_html()).sources
    assert urljoin("file:///talks/page.html", source) == f"file:///talks/{quote(name)}"
    monkeypatch.setattr("asr.recognizer.page.MOST_BYTES", 100)
    assert Page(Transcript(str(talk), 6.0, WORDS).to_html()).sources == ["my%20talk.wav"]
    assert Page(Transcript("a.wav", 0.0, ()).to_html()).words == []


def test_each_channel_has_a_column():
    words = (Word("yes", 0.0, 0.5, 1.0, channel=1), Word("no", 1.0, 1.5, 1.0, channel=2))
    html = Transcript("call.wav", 2.0, words).to_html()
    assert "--columns:2" in html
    assert 'grid-column:1"><button' in html
    assert 'grid-column:2"><button' in html
    assert "Channel 2" in html


@pytest.fixture
def browser():
    """Headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


def until(page, expression: str) -> None:
    """Wait until a page's expression is true. Playwright's own waiting needs eval, which the page forbids."""
    for _ in range(600):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"not within a minute: {expression}")


def test_a_browser_plays_follows_searches_and_colours(browser, talk, tmp_path):
    (tmp_path / "talk.html").write_text(Transcript(str(talk), 6.0, WORDS).to_html(), encoding="utf-8")
    page = browser.new_page()
    page.set_default_timeout(60_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: errors.extend([request.url] if request.url.startswith("http") else []))
    page.goto((tmp_path / "talk.html").as_uri())
    until(page, "document.querySelector('audio').readyState >= 1")
    assert page.evaluate("document.querySelector('audio').duration") == pytest.approx(6.0, abs=0.05)
    page.click("text=Tom's")
    assert page.evaluate("document.querySelector('audio').currentTime") == pytest.approx(4.0, abs=1.0)
    page.evaluate("document.querySelector('audio').pause(); document.querySelector('audio').currentTime = 0.7")
    until(page, "document.querySelector('span.now')?.textContent === '25'")
    page.evaluate("document.querySelector('audio').currentTime = 3")
    until(page, "!document.querySelector('span.now')")
    page.fill("input[type=search]", "LEFT")
    assert page.inner_text("output") == "2 found"
    assert page.locator("span.match").count() == 2
    page.press("input[type=search]", "Enter")
    page.press("input[type=search]", "Enter")
    assert page.inner_text("output") == "2 of 2"
    page.fill("input[type=search]", "he lef")
    assert page.locator("span.match").count() == 2
    colour = "getComputedStyle(document.querySelector('.low')).backgroundColor"
    assert page.evaluate(colour) != "rgba(0, 0, 0, 0)"
    page.uncheck("#colours")
    assert page.evaluate(colour) == "rgba(0, 0, 0, 0)"
    assert page.is_hidden("#pick")
    assert errors == []


def test_a_browser_asks_for_audio_that_is_not_there(browser, talk, tmp_path):
    (tmp_path / "lone.html").write_text(Transcript("gone.wav", 6.0, WORDS).to_html(), encoding="utf-8")
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.goto((tmp_path / "lone.html").as_uri())
    page.wait_for_selector("#pick", state="visible")
    page.set_input_files("#pick input", str(talk))
    until(page, "document.querySelector('audio').readyState >= 1")
    assert page.is_hidden("#pick")
