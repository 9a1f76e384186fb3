"""The drawing page, as a visitor meets it in Chromium."""

import re
import signal
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from support.drawing_page import CONTRAST, Page, open_chromium, photo, running_demo

from sk_digits import SelectiveClassifier, make_digit_pipeline, save_model
from sk_digits.datasets import load_digits_28

pytestmark = pytest.mark.slow  # a browser and a server for each


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Return a Chromium that nobody has used."""
    browser = open_chromium(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.quit()


@pytest.fixture
def page(browser, address):
    """Return the page, just opened."""
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
def test_a_digit_may_touch_the_edges(page, mnist_home):
    """A 7 in the upper left corner, which its lines touch, is read all the same."""
    page.draw("7", -0.277, -0.167, 1.1)
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
    page.draw("1", 0.3, 0.1, 0.4)
    page.wait(lambda: page.lines() == ["1"])
    own = urlsplit(page.browser.current_url).netloc
    addresses = [urlsplit(url) for url in page.requested()]
    names = {a.path.rpartition("/")[2] for a in addresses if a.netloc == own}
    assert names == {"", "page"}
    others = {a.geturl() for a in addresses if a.scheme not in ("data", "blob") and a.netloc != own}
    assert others == set()
    severe = [entry for entry in page.browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert severe == []


def test_below_the_threshold_the_page_is_not_sure(browser, model_file):
    """What a model rejects has no answer, but its two best guesses."""
    X, y = load_digits_28(return_X_y=True)
    unsure = model_file.with_name("unsure.safetensors")
    pipeline = make_digit_pipeline(hidden_layer_sizes=(8,), max_epochs=1, lr=1e-5)
    model = SelectiveClassifier(pipeline, max_risk=1, cv=2).fit(X, y % 2 * 5 + 3)
    model.threshold_ = 1.0
    save_model(model, unsure)
    with running_demo(unsure) as (address, process):
        page = Page(browser, address)
        page.draw("3")
        page.answer()
        assert page.find(".answer").get_attribute("data-state") == "unsure"
        assert page.text(".headline") == "Not sure"
        guesses = re.fullmatch(r"Perhaps (an? .) \(.*\), or (an? .) \(.*\)", page.text(".detail"))
        assert guesses is not None
        assert {*guesses.groups()} == {"a 3", "an 8"}

        # The page is still open, with its connections: they do not hold up the end.
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 130
        assert process.stderr.read() == "sk-digits: stopped\n"
        page.find(".clear").click()
        page.draw("3")  # which needs no server
        page.answer()
        photo(["3"]).save(model_file.with_name("three.png"))
        page.upload(model_file.with_name("three.png"))
        assert "Is sk-digits demo still running" in page.error()


def test_any_label_is_shown_and_none_is_run(browser, model_file):
    """Labels may be sentences, quotes and tags: they stay text."""
    X, y = load_digits_28(return_X_y=True)
    words = np.array(
        ["not a digit", '"><img src=x onerror="document.title=1">', "${1 + 1}", "three"]
    )
    strange = model_file.with_name("strange.safetensors")
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
    """Broken, empty and huge files end in a sentence on the page, and drawing goes on."""
    whole = tmp_path / "whole.png"
    photo(["3"]).save(whole)
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole.read_bytes()[:3000])
    text = tmp_path / "text.png"
    text.write_text("no picture")
    empty = tmp_path / "empty.png"
    empty.touch()
    large = tmp_path / "large.png"
    Image.new("1", (9000, 5000)).save(large)
    heavy = tmp_path / "heavy.png"
    heavy.write_bytes(bytes(20_000_001))
    for file, message in [
        (cut, "The picture is broken or cut short"),
        (text, "The picture is not an image in one of the formats PNG, JPEG"),
        (empty, "This file is empty."),
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


@pytest.mark.parametrize("many", [False, True])
def test_a_blank_picture_is_called_blank(page, tmp_path, many):
    """A picture without a digit stays on the page; that is no error."""
    if many:
        page.go_to_pages_of_digits()
    Image.new("L", (200, 200), 255).save(tmp_path / "blank.png")
    page.upload(tmp_path / "blank.png")
    page.wait(lambda: page.find(".answer").get_attribute("data-state") == "blank")
    assert page.text(".headline") == "Blank"
    assert page.text(".detail") == "No digit stands out from the background."
    assert page.find(".picture").is_displayed()
    assert not page.find(".error").is_displayed()
    assert not page.find(".page").is_displayed()


def test_a_picture_in_a_format_that_browsers_do_not_know_is_shown(page, tmp_path):
    """A TIFF that lies on its side is seen upright, as it is read."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    photo(["1"]).resize((240, 120)).save(tmp_path / "one.tiff", exif=exif)
    page.upload(tmp_path / "one.tiff")
    page.answer()
    size = "return [arguments[0].naturalWidth, arguments[0].naturalHeight]"
    assert page.browser.execute_script(size, page.find(".picture")) == [120, 240]


@pytest.mark.parametrize("name", ["paste", "drop"])
def test_pictures_can_be_pasted_and_dropped(page, name):
    """A picture of the clipboard or one that is dropped is read like one that is chosen."""
    script = """
    const [canvas, name, target] = [document.createElement("canvas"), ...arguments];
    Object.assign(canvas, { width: 100, height: 100 });
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, 100, 100);
    context.clearRect(45, 20, 10, 60);
    context.fillStyle = "#000";
    context.fillRect(45, 20, 10, 60);
    const data = new DataTransfer(), done = arguments[arguments.length - 1];
    canvas.toBlob((blob) => {
      data.items.add(new File([blob], "one.png", { type: "image/png" }));
      target.dispatchEvent(name === "paste"
        ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true })
        : new DragEvent("drop", { dataTransfer: data, bubbles: true }));
      done();
    });
    """
    page.browser.execute_async_script(script, name, page.find(".ink"))
    page.answer()
    assert page.find(".picture").is_displayed()


def test_arrow_keys_change_the_tab(page):
    """The tabs are one stop for the Tab key; the arrows go from one to the other."""
    first, second = page.browser.find_elements(By.CSS_SELECTOR, "[role=tab]")
    first.send_keys(Keys.ARROW_RIGHT)
    assert page.browser.switch_to.active_element == second
    assert page.pad.get_attribute("data-many") == "yes"
    assert [t.get_attribute("aria-selected") for t in (first, second)] == ["false", "true"]
    assert [t.get_attribute("tabindex") for t in (first, second)] == ["-1", "0"]
    second.send_keys(Keys.ARROW_LEFT)
    assert page.pad.get_attribute("data-many") == "no"


def test_keys_reach_every_button(page):
    """Tabbing goes to a tab, to the file button and, once there is a drawing, to Clear."""
    page.draw("1")
    page.answer()
    focused = set()
    for _ in range(12):
        page.browser.switch_to.active_element.send_keys(Keys.TAB)
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
