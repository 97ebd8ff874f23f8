"""The page in headless Chromium: a file, the microphone, corrections, downloads, the keyboard, a narrow screen."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from asr.serve.app import PAGE, page_policy
from tests.serve.conftest import SPEECH

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: none of its commands is on the path")
WAIT = 90_000  # ms: machines that run tests are busy


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator:
    """Chromium with a recording instead of a microphone."""
    spoken = tmp_path_factory.mktemp("microphone") / "speech.wav"
    samples, rate = soundfile.read(SPEECH, dtype="int16")
    soundfile.write(spoken, np.concatenate([samples, np.zeros(2 * rate, np.int16)]), rate)
    arguments = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--no-sandbox",
                 f"--use-file-for-fake-audio-capture={spoken}", "--disable-gpu"]  # fmt: skip
    with playwright.sync_playwright() as tools:
        started = tools.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield started
        started.close()


@pytest.fixture
def page(browser, server) -> Iterator:
    """The server's page; requests to any other server and errors of its script fail the test."""
    context = browser.new_context(permissions=["microphone"], accept_downloads=True)
    opened = context.new_page()
    foreign, errors = [], []
    opened.on(
        "request", lambda r: foreign.append(r.url) if server.address not in r.url and r.url[:4] == "http" else None
    )
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: errors.append(message.text) if is_error(message) else None)
    opened.set_default_timeout(WAIT)
    opened.goto(server.url)
    yield opened
    context.close()
    assert (foreign, errors) == ([], [])


def picture(page, name: str) -> None:
    """A picture for the documentation, where ASR_SCREENSHOTS names a folder."""
    if folder := os.environ.get("ASR_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def is_error(message) -> bool:
    """Whether the console tells of an error of the page, and not of an answer that is no success."""
    return message.type == "error" and not message.text.startswith("Failed to load resource")


def shown(page) -> list[str]:
    return page.locator("#words span:not(.live)").all_inner_texts()


def lines_of(page) -> list[str]:
    """The subtitles that the page shows over a video."""
    return page.evaluate("cues().then((all) => all.map((cue) => cue.text))")


def until(page, condition) -> None:
    """Wait for what the page's policy does not let Playwright wait for by itself: it forbids to evaluate texts."""
    deadline = time.monotonic() + WAIT / 1000
    while not condition():
        assert time.monotonic() < deadline
        page.wait_for_timeout(100)


def upload(page, english) -> list[str]:
    page.set_input_files("#file", SPEECH)
    page.wait_for_selector("#status:has-text('Done')")
    expected = [word.word for word in english.transcribe(SPEECH).words]
    assert shown(page) == expected
    return expected


def download(page, form: str) -> str:
    with page.expect_download() as caught:
        page.click(f"[data-form={form}]")
    assert caught.value.suggested_filename == f"hello.{form}"
    return Path(caught.value.path()).read_text(encoding="utf-8")


@needs_chromium
def test_a_file_is_transcribed_corrected_by_keyboard_and_downloaded(page, english):
    page.fill("#hotwords", "river, morning")
    expected = upload(page, english)
    transcript = english.transcribe(SPEECH)
    assert download(page, "srt") == transcript.to_srt()
    assert download(page, "vtt") == transcript.to_vtt()
    assert lines_of(page) == [cue.text for cue in transcript.cues]
    doubtful = sum(word.confidence < 0.5 for word in transcript.words)
    assert page.locator("#words .doubtful").count() == doubtful
    page.locator("#words span").first.focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    page.keyboard.type("Müller <b>")
    page.keyboard.press("Enter")
    corrected = [*expected[:2], "Müller <b>", *expected[3:]]
    assert shown(page) == corrected
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.keyboard.type("nonsense")
    page.keyboard.press("Escape")
    assert shown(page) == corrected
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.keyboard.press("Delete")
    page.keyboard.press("Enter")
    corrected = corrected[1:]
    assert shown(page) == corrected
    assert download(page, "txt") == " ".join(corrected) + "\n"
    assert "Müller &lt;b&gt;" in download(page, "vtt")
    values = json.loads(download(page, "json"))
    assert [word["word"] for word in values["words"]] == corrected
    picture(page, "page")
    assert values["words"][1]["original"] == expected[2]


@needs_chromium
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg to make a video")
def test_subtitles_are_shown_over_a_video(page, tmp_path):
    pytest.importorskip("av", reason="needs the extra av")
    video = tmp_path / "film.webm"
    make = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "color=c=navy:s=160x120:r=5:d=5.5", "-i", str(SPEECH),
            "-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus", "-shortest", str(video)]  # fmt: skip
    subprocess.run(make, check=True)
    page.set_input_files("#file", video)
    page.wait_for_selector("#status:has-text('Done')")
    assert page.is_visible("#video")
    cues = "[...document.getElementById('video').textTracks[0].cues].map((cue) => cue.text)"
    until(page, lambda: " ".join(page.evaluate(cues)).split() == shown(page))
    page.locator("#words span").first.focus()
    page.keyboard.press("Enter")
    page.keyboard.type("corrected")
    page.keyboard.press("Enter")
    until(page, lambda: page.evaluate(cues)[0].startswith("corrected "))


@needs_chromium
def test_words_appear_while_one_speaks(page, english):
    page.click("#speak")
    page.wait_for_selector("#status:has-text('Speak now')")
    page.locator("#words span:not(:empty)").nth(7).wait_for()
    assert page.get_attribute("#speak", "aria-pressed") == "true"
    page.click("#speak")
    page.wait_for_selector("#status:has-text('Done')")
    words = shown(page)
    said = {word.word for word in english.transcribe(SPEECH).words}
    assert len(set(words) & said) >= 5
    assert page.is_enabled("[data-form=txt]")


@needs_chromium
def test_the_page_is_usable_on_a_narrow_screen_by_keyboard_and_in_the_dark(page, english):
    page.set_viewport_size({"width": 320, "height": 640})
    upload(page, english)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.locator("body").focus()
    reached = set()
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.dataset.form || 'word'"))
    assert {"file", "speak", "hotwords", "word", "txt", "srt", "vtt", "json"} <= reached
    colours = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        picture(page, f"page-narrow-{scheme}")
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours[0] != colours[1]


@needs_chromium
def test_an_error_is_said_and_a_key_is_asked_for(page, start, browser, tmp_path):
    text = tmp_path / "a.wav"
    text.write_text("no audio")
    page.set_input_files("#file", text)
    page.wait_for_selector("#status.error")
    assert "a.wav" in page.inner_text("#status")
    with start(api_keys=("a-key-of-the-test-0123",)) as server:
        other = browser.new_page()
        other.set_default_timeout(WAIT)
        other.goto(server.url)
        other.set_input_files("#file", SPEECH)
        other.wait_for_selector("#key:visible")
        other.fill("#key", "a-key-of-the-test-0123")
        other.set_input_files("#file", SPEECH)
        other.wait_for_selector("#status:has-text('Done')")
        other.close()


def test_the_page_names_no_other_server_and_may_run_its_own_script_alone(server):
    text = PAGE.read_text(encoding="utf-8")
    assert "http://" not in text
    assert "https://" not in text
    policy = httpx.get(server.url).headers["content-security-policy"]
    assert policy == page_policy(text)
    assert "unsafe" not in policy
    assert policy.count("sha256-") == 2
