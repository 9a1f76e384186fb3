"""The drawing page, as a visitor meets it in Chromium, and its server."""

import http.client
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from selenium.webdriver.common.by import By
from support.drawing_page import Page, open_chromium, photo, running_demo
from typer.testing import CliRunner

from sk_digits import load_model, make_digit_pipeline, save_model
from sk_digits._cli import app
from sk_digits._demo import make_demo
from sk_digits.datasets import fetch_mnist, load_digits_28


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """Give the file of a small model, of MNIST where that is."""
    if "SK_DIGITS_DATA" in os.environ:
        X, y = fetch_mnist(return_X_y=True)
    else:
        X, y = load_digits_28(return_X_y=True)
    pipeline = make_digit_pipeline(hidden_layer_sizes=(256,), max_epochs=5, random_state=0)
    path = tmp_path_factory.mktemp("model") / "small.skops"
    save_model(pipeline.fit(X[:10_000], y[:10_000]), path)
    return path


@pytest.fixture(scope="module")
def address(model_file):
    """Give the address of a running page."""
    with running_demo(model_file) as (address, _):
        yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Give a Chromium that nobody has used."""
    browser = open_chromium(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.quit()


@pytest.fixture
def page(browser, address):
    """Give the page, just opened."""
    return Page(browser, address)


@pytest.mark.mnist
def test_drawn_digits_are_read(page, mnist_home):
    """A 3 and then a 7 drawn with the mouse are read, with probabilities and the 28x28 image."""
    page.draw("3")
    assert page.answer() == "3"
    bars = page.text(".bars").split("\n")
    assert bars[::2] == [*"0123456789"]
    assert all(bar.endswith("%") for bar in bars[1::2])
    seen = page.browser.execute_script(
        "const c = arguments[0];"
        "return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]",
        page.find(".seen"),
    )
    pixels = np.reshape(seen, (28, 28, 4))[:, :, 0]
    rows, columns = np.nonzero(pixels > 50)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in range(18, 23)  # MNIST's frame of 20 pixels

    page.find(".clear").click()
    assert page.find(".answer").get_attribute("data-state") == "empty"
    page.draw("7")
    assert page.answer() == "7"


@pytest.mark.mnist
def test_a_photo_is_read(page, mnist_home, tmp_path):
    """A photo of a digit on paper is shown and answered as the digit."""
    photo(["2"]).save(tmp_path / "two.jpg")
    page.upload(tmp_path / "two.jpg")
    assert page.answer() == "2"
    assert page.find(".picture").is_displayed()


@pytest.mark.mnist
def test_a_page_is_read_line_by_line(page, mnist_home, tmp_path):
    """A photo of two lines gives two lines; a digit of the text shows its own details."""
    photo(["3172", "70"]).save(tmp_path / "page.png")
    page.go_to_pages_of_digits()
    page.upload(tmp_path / "page.png")
    assert page.lines() == ["3172", "70"]
    assert page.text(".page-head h2").startswith("6 digits in 2 lines")
    page.find(".lines button[aria-label^='7']").click()
    assert page.text(".digit") == "7"


@pytest.mark.mnist
def test_a_page_can_be_written_on(page, mnist_home):
    """Digits written side by side are read as a line, and undo takes the last stroke back."""
    page.go_to_pages_of_digits()
    page.draw("3", 0.05, 0.1, 0.4)
    page.draw("1", 0.45, 0.1, 0.4)
    page.wait(lambda: page.lines() == ["31"])
    page.find(".undo").click()
    page.wait(lambda: page.lines() == ["3"])


def test_nothing_is_asked_of_other_machines(page):
    """Opening the page, drawing and reading ask nothing but the page's own server."""
    page.draw("1")
    page.answer()
    page.go_to_pages_of_digits()
    own = urlsplit(page.browser.current_url).netloc
    addresses = [urlsplit(url) for url in page.requested()]
    assert len(addresses) > 10
    others = {a.geturl() for a in addresses if a.scheme not in ("data", "blob") and a.netloc != own}
    assert others == set()
    severe = [entry for entry in page.browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert severe == []


def test_below_the_threshold_the_page_is_not_sure(browser, model_file):
    """A model that knows nothing gives no answer for certain, but its two best guesses."""
    X, y = load_digits_28(return_X_y=True)
    unsure = model_file.with_name("unsure.skops")
    save_model(
        make_digit_pipeline(hidden_layer_sizes=(8,), max_epochs=1, lr=1e-5).fit(X, y), unsure
    )
    with running_demo(unsure) as (address, process):
        page = Page(browser, address)
        page.draw("3")
        page.answer()
        assert page.find(".answer").get_attribute("data-state") == "unsure"
        assert page.text(".headline") == "Not sure"
        assert page.text(".detail").startswith("Perhaps a ")
        assert ", or a " in page.text(".detail")

        # The page is still open, with its connections: they do not hold up the end.
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 130
        assert process.stderr.read() == "sk-digits: stopped\n"
        page.find(".clear").click()
        page.draw("3")
        assert "Is sk-digits demo still running" in page.error()


def test_any_label_is_shown_and_none_is_run(browser, model_file):
    """Labels may be sentences, quotes and tags: they stay text."""
    X, y = load_digits_28(return_X_y=True)
    words = np.array(
        ["not a digit", '"><img src=x onerror="document.title=1">', "${1 + 1}", "three"]
    )
    strange = model_file.with_name("strange.skops")
    pipeline = make_digit_pipeline(hidden_layer_sizes=(64,), max_epochs=10, random_state=0)
    save_model(pipeline.fit(X, words[np.minimum(y, 3)].astype(object)), strange)
    with running_demo(strange) as (address, _):
        page = Page(browser, address)
        page.draw("3")
        page.answer()
        names = page.find(".bars").find_elements(By.CSS_SELECTOR, ".name")
        assert [name.text for name in names] == sorted(words)
        assert "NaN" not in page.text(".bars")
        assert browser.title == "sk-digits"


def test_what_is_no_picture_is_told_kindly(page, tmp_path):
    """Broken, empty, blank and huge files end in a sentence on the page, and drawing goes on."""
    whole = tmp_path / "whole.png"
    photo(["3"]).save(whole)
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole.read_bytes()[:3000])
    text = tmp_path / "text.png"
    text.write_text("no picture")
    empty = tmp_path / "empty.png"
    empty.touch()
    blank = tmp_path / "blank.png"
    Image.new("L", (200, 200), 255).save(blank)
    large = tmp_path / "large.png"
    Image.new("1", (9000, 5000)).save(large)
    heavy = tmp_path / "heavy.png"
    heavy.write_bytes(bytes(20_000_001))
    for file, message in [
        (cut, "The picture is broken or cut short"),
        (text, "The picture is not an image in one of the formats PNG, JPEG"),
        (empty, "This file is empty."),
        (blank, "No digit found that stands out from its ground."),
        (large, "The picture is too large: 9000 x 5000 pixels"),
        (heavy, "at most 20 MB can be read. Make the picture smaller."),
    ]:
        page.upload(file)
        error = page.wait(lambda message=message: message in page.error() and page.error())
        assert "Traceback" not in error
        assert str(tmp_path) not in error
        assert "max_pixels." not in error
        assert page.find(".answer").get_attribute("data-state") == "empty"
    page.draw("1")
    page.answer()
    assert not page.find(".error").is_displayed()


def test_keys_reach_every_button(page):
    """Tabbing goes to a tab, to the file button and, once there is a drawing, to Clear."""
    page.draw("1")
    page.answer()
    focused = set()
    for _ in range(12):
        page.browser.switch_to.active_element.send_keys("\ue004")
        element = page.browser.switch_to.active_element
        focused.add(element.accessible_name)
    assert {"One digit", "Clear", "Undo", "Choose a picture"} <= focused
    assert "mouse, pen or finger" in page.find(".ink").accessible_name
    assert page.find(".status").get_attribute("textContent") != ""  # told to screen readers


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone(page, dark):
    """At a phone's width nothing stands out sideways, in the light and in the dark theme."""
    media = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.browser.refresh()
        page.wait(lambda: page.pad)
        for _ in range(2):
            outside = page.browser.execute_script(
                "return [...document.querySelectorAll('.pad *')].filter((e) => e.offsetParent &&"
                "(e.getBoundingClientRect().right > innerWidth)).map((e) => e.className)"
            )
            assert outside == []
            assert page.find(".choose").rect["height"] >= 44  # what a finger can hit
            for selector in (".headline", ".choose", ".figcaption, figcaption"):
                assert page.browser.execute_script(CONTRAST, page.find(selector)) >= 4.5
            page.go_to_pages_of_digits()
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


# Of WCAG 2.2: (lighter + 0.05) / (darker + 0.05), in relative luminance.
CONTRAST = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
  .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
let ground = arguments[0];
while (ground && (parse(getComputedStyle(ground).backgroundColor)[3] ?? 1) === 0) {
  ground = ground.parentElement;
}
const pair = [light(parse(getComputedStyle(arguments[0]).color)),
  light(parse(getComputedStyle(ground).backgroundColor))].sort();
return (pair[1] + 0.05) / (pair[0] + 0.05);
"""


@pytest.mark.parametrize(
    "path",
    [
        "/file=/etc/passwd",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../../../../../etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/static/../../../../../../../../../etc/passwd",
        "/assets/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/gradio_api/proxy=file:///etc/passwd",
        "/monitoring",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_file_of_the_server_can_be_read(address, path):
    """Neither the machine's files nor a description of the server are given out."""
    # urllib would tidy up the dots before it asks.
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status in (400, 403, 404, 405)
    assert b"root:" not in body


def test_the_page_names_no_path_of_the_server(address, model_file):
    """What the server tells of itself has neither the model's place nor the working directory."""
    for path in ("/", "/config", "/gradio_api/info"):
        with urllib.request.urlopen(address + path) as answer:
            body = answer.read().decode()
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert str(model_file.parent) not in body
        assert os.getcwd() not in body
        assert "googleapis" not in body


def test_other_names_of_this_machine_are_refused(address):
    """A web page that makes its own name point here does not get through."""
    request = urllib.request.Request(address, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request)


def test_an_upload_past_the_limit_is_refused(address):
    """The server, too, takes no more than 20 MB, whatever the page has checked."""
    body = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        + bytes(20_100_000)
        + b"\r\n--x--\r\n"
    )
    request = urllib.request.Request(
        f"{address}/gradio_api/upload",
        body,
        {"Content-Type": "multipart/form-data; boundary=x"},
    )
    with pytest.raises(urllib.error.HTTPError, match="413"):
        urllib.request.urlopen(request)


@pytest.fixture
def no_page(monkeypatch):
    """Make no page of a model: gradio leaves its event loops open, one for each page."""
    monkeypatch.setattr("sk_digits._demo.make_demo", lambda model: model)


def test_a_taken_port_is_one_line(address, model_file, no_page):
    """A port that another program has is told with the way out, and exit code 2."""
    port = str(urlsplit(address).port)
    result = CliRunner().invoke(app, ["demo", str(model_file), "--port", port])
    assert result.exit_code == 2
    assert f"Cannot listen on 127.0.0.1 port {port}" in result.stderr
    assert "--port" in result.stderr


def test_without_a_terminal_a_missing_model_is_an_error():
    """Nobody is asked where nobody can answer: the error says how to make a model."""
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 2
    assert "sk-digits train --out digits.skops" in result.stderr


@pytest.fixture
def served(monkeypatch, no_page, tmp_path):
    """Be at a terminal in an empty folder; give the models whose pages would be served."""
    models = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sk_digits._cli.demo._is_interactive", lambda: True)
    monkeypatch.setattr("sk_digits._demo.serve", lambda model, **kwargs: models.append(model))
    return models


def test_on_a_terminal_it_offers_to_train(served, tmp_path):
    """Yes trains a model visibly, saves it to the file that it names, and shows the page."""
    result = CliRunner().invoke(app, ["demo", "--data", "digits"], input="y\n")
    assert result.exit_code == 0
    assert "save it to digits.skops?" in result.stdout
    assert "epoch 1/" in result.stderr
    X, y = load_digits_28(return_X_y=True)
    saved = load_model(tmp_path / "digits.skops")
    assert saved.score(X, y) > 0.95
    (model,) = served
    assert_array_equal(model.predict_proba(X), saved.predict_proba(X))


def test_no_is_taken_for_an_answer(served, tmp_path):
    """No ends it, with nothing trained and the way to give a model."""
    result = CliRunner().invoke(app, ["demo"], input="n\n")
    assert result.exit_code == 0
    assert "sk-digits demo MODEL" in result.stdout
    assert served == []
    assert list(tmp_path.iterdir()) == []


def test_no_answer_stops_it(served):
    """Ctrl-C or Ctrl-D at the question end it with one line and exit code 130."""
    result = CliRunner().invoke(app, ["demo"], input="")
    assert result.exit_code == 130
    assert result.stderr.strip().splitlines()[-1] == "sk-digits: stopped"
    assert served == []


def test_a_missing_gradio_is_told(monkeypatch, model_file):
    """Without gradio the error names the extra to install."""
    monkeypatch.setitem(sys.modules, "gradio", None)
    result = CliRunner().invoke(app, ["demo", str(model_file)])
    assert result.exit_code == 2
    assert 'pip install "sk-digits[demo]"' in result.stderr


def test_models_of_other_images_are_refused(digits):
    """A model of 8x8 images, an unfitted one and a threshold of 70 make no page."""
    X, y = digits
    small = make_digit_pipeline(hidden_layer_sizes=(8,), max_epochs=1, augmentation=None)
    with pytest.raises(ValueError, match="784 pixels; this one was trained on rows of 64"):
        make_demo(small.fit(X, y))
    with pytest.raises(ValueError, match="fitted classifier with predict_proba"):
        make_demo(make_digit_pipeline())
    with pytest.raises(ValueError, match="from 0 to 1; got 70"):
        make_demo(small, threshold=70)


def test_help_is_quick():
    """``--help`` brings neither gradio nor torch, so it costs no seconds."""
    code = (
        "import sys; from typer.testing import CliRunner; from sk_digits._cli import app;"
        "result = CliRunner().invoke(app, ['demo', '--help']); assert result.exit_code == 0;"
        "print([m for m in ('gradio', 'torch', 'PIL') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
