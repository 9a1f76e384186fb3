"""The page that `to_html` saves, as a visitor meets it in Chromium: opened from a disk, offline."""

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from sklearn.frozen import FrozenEstimator
from support.drawing_page import CONTRAST, Page, photo

from sk_digits import SelectiveClassifier, load_reader, make_digit_pipeline
from sk_digits.datasets import load_digits_28
from sk_digits.html import to_html

pytestmark = pytest.mark.slow  # a browser


@pytest.fixture(scope="module")
def reader_file(tmp_path_factory):
    """Return the page of the reader that comes with the package."""
    path = tmp_path_factory.mktemp("reader") / "reader.html"
    to_html(load_reader(), path)
    return path


@pytest.fixture
def page(browser, reader_file):
    """Return the page of the reader, just opened."""
    return Page(browser, reader_file.as_uri())


def severe(browser):
    """Return the errors in the browser's console, among them what its policy has blocked."""
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_nothing_is_requested(page, tmp_path):
    """Opening, drawing and reading pictures request nothing but the file itself."""
    severe(page.browser)
    page.draw("3")
    assert page.answer() == "3"
    photo(["72"]).save(tmp_path / "page.png")
    page.go_to_pages_of_digits()
    page.upload(tmp_path / "page.png")
    assert page.lines() == ["72"]
    requested = {url for url in page.requested() if not url.startswith(("blob:", "data:"))}
    assert requested == {page.browser.current_url}
    assert severe(page.browser) == []


def test_the_policy_forbids_every_connection(page):
    """Neither the page nor its worker could send anything, even if a script wanted to."""
    script = """
    const [done] = arguments;
    const blocked = [];
    document.addEventListener("securitypolicyviolation", (e) => blocked.push(e.effectiveDirective));
    const image = document.createElement("img");
    image.src = "https://example.org/a.png";
    const script = document.createElement("script");
    script.textContent = "document.title = 'run'";
    document.body.append(image, script);
    fetch("https://example.org/").catch(() => {});
    setTimeout(() => done(blocked.sort()), 500);
    """
    blocked = page.browser.execute_async_script(script)
    assert blocked == ["connect-src", "img-src", "script-src-elem"]
    assert page.browser.title == "sk-digits"


def test_it_is_ready_within_a_second(browser, reader_file):
    """The page can be drawn on, and its worker has the network."""
    browser.get("about:blank")
    browser.get(reader_file.as_uri())
    script = "const [done] = arguments; skDigits.ready.then(() => done(performance.now()));"
    assert browser.execute_async_script(script) < 1000


def test_the_answer_comes_within_a_tenth_of_a_second(page):
    """From lifting the pen to the answer; the median of eleven, as the machine does more."""
    script = """
    const [canvas, answer, done] = arguments;
    const times = [];
    const point = (name, x, y) => canvas.dispatchEvent(new PointerEvent(name, {
      pointerId: 7, button: 0, isPrimary: true, bubbles: true, clientX: x, clientY: y }));
    const box = canvas.getBoundingClientRect();
    (async () => {
      await skDigits.ready;
      for (let turn = 0; turn < 11; turn++) {
        const [x, y, size] = [box.left + box.width / 2, box.top + box.height / 5, box.height * 0.6];
        point("pointerdown", x, y);
        for (let i = 1; i < 20; i++) point("pointermove", x + 5 * Math.sin(i), y + size * i / 20);
        while (answer.getAttribute("aria-busy") !== "false") {
          await new Promise((next) => setTimeout(next, 1));
        }
        const start = performance.now();
        point("pointerup", x, y + size);
        while (answer.getAttribute("aria-busy") !== "false") {
          await new Promise((next) => setTimeout(next, 1));
        }
        times.push(performance.now() - start);
        document.querySelector(".clear").click();
      }
      done(times);
    })();
    """
    times = page.browser.execute_async_script(script, page.find(".ink"), page.find(".answer"))
    assert np.median(times) < 100


@pytest.mark.parametrize("digit", "0123456789")
def test_drawn_digits_are_read(page, digit):
    """Each digit, drawn with the mouse, is read and told in words."""
    page.draw(digit)
    assert page.answer() == digit
    assert page.text(".headline") == f"It is a{'n' * (digit == '8')} {digit}"


def test_what_is_rejected_is_a_question_mark(browser, tmp_path, pipeline):
    """With the best guesses; the threshold is that of SelectiveClassifier."""
    X, y = load_digits_28(return_X_y=True)
    selective = SelectiveClassifier(FrozenEstimator(pipeline), max_risk=0.5).fit(X, y)
    selective.threshold_ = 1.1
    to_html(selective, tmp_path / "a.html")
    page = Page(browser, (tmp_path / "a.html").as_uri())
    page.draw("1")
    assert page.answer() == "?"
    assert page.text(".headline") == "Not sure"
    assert page.text(".detail").startswith("Perhaps a")
    page.go_to_pages_of_digits()
    page.draw("1", 0.3, 0.1, 0.4)
    assert page.lines() == ["?"]


def test_any_label_is_shown_and_none_is_run(browser, tmp_path):
    """Labels with tags, quotes and ends of scripts stay text, and huge ones break no layout."""
    X, y = load_digits_28(return_X_y=True)
    words = np.array(
        [
            '"><img src=x onerror="document.title=1">',
            "</script><script>document.title=2</script>",
            "<!-- <script>",
            "${document.title=3}",
            "\u2028'; document.title=4; '",
            "w" * 5000,
            "a long name of " * 300,
        ],
        dtype=object,
    )
    model = make_digit_pipeline(hidden_layer_sizes=(16,), max_epochs=2, random_state=0)
    to_html(model.fit(X, words[y % len(words)]), tmp_path / "a.html")
    severe(browser)
    page = Page(browser, (tmp_path / "a.html").as_uri())
    page.draw("3")
    page.answer()
    names = page.find(".bars").find_elements(By.CSS_SELECTOR, ".name")
    assert [name.get_attribute("textContent") for name in names] == sorted(words)
    assert page.browser.find_elements(By.CSS_SELECTOR, "img[src=x]") == []
    assert browser.title == "sk-digits"
    assert severe(browser) == []
    assert browser.execute_script("return document.body.scrollWidth <= innerWidth")


def test_the_keyboard_alone_can_draw(page):
    """Arrow keys move the pen, Space puts it down and lifts it, Backspace takes a stroke back."""
    page.find(".ink").send_keys("")  # focus, as by the Tab key
    keys = ActionChains(page.browser)
    keys.send_keys(*[Keys.ARROW_UP] * 8, Keys.SPACE, *[Keys.ARROW_DOWN] * 16, Keys.SPACE).perform()
    assert page.answer() == "1"
    page.wait(lambda: "It is a 1" in page.find(".status").get_attribute("textContent"))
    ActionChains(page.browser).send_keys(Keys.BACKSPACE).perform()
    assert page.find(".answer").get_attribute("data-state") == "empty"
    # A 7: to the right, then down; Shift moves in small steps.
    keys = ActionChains(page.browser)
    keys.send_keys(*[Keys.ARROW_UP] * 16, *[Keys.ARROW_LEFT] * 6, Keys.SPACE)
    keys.send_keys(*[Keys.ARROW_RIGHT] * 9)
    for _ in range(8):
        keys.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
        keys.key_down(Keys.SHIFT).send_keys(*[Keys.ARROW_LEFT] * 3).key_up(Keys.SHIFT)
    keys.send_keys(Keys.SPACE).perform()
    assert page.answer() == "7"


def test_the_keyboard_reaches_everything(page):
    """Tab goes to the tab, the drawing, the buttons, the pen, the picture and the network."""
    page.draw("1")
    page.answer()
    page.find("summary").click()
    page.wait(lambda: page.pad.find_elements(By.CSS_SELECTOR, ".units"))
    page.browser.find_element(By.ID, "one-tab").click()
    focused = []
    for _ in range(12):
        focused.append(page.browser.switch_to.active_element.accessible_name)
        ActionChains(page.browser).send_keys(Keys.TAB).perform()
    names = ["One digit", "Clear", "Undo", "Thickness of the pen", "Choose a picture"]
    names += ["What the network does", "Unit of the first layer"]
    assert [name for name in focused if name in names][: len(names)] == names
    assert any("arrow keys move the pen" in name for name in focused)


def test_undo_clear_and_thickness(page):
    """Undo takes a stroke, Clear takes all, and the next strokes have the pen that is chosen."""

    def ink():
        canvas = page.find(".ink")
        script = (
            "const c = arguments[0]; const d = c.getContext('2d').getImageData(0, 0, c.width, "
            "c.height).data; return d.filter((v, i) => i % 4 === 3 && v > 127).length"
        )
        return page.browser.execute_script(script, canvas)

    page.draw("1")
    thin = ink()
    page.find(".width").send_keys(*[Keys.ARROW_RIGHT] * 4)  # twice as wide
    page.draw("1", 0.3)
    both = ink()
    assert 1.7 < (both - thin) / thin < 2.3
    page.find(".undo").click()
    assert ink() == thin
    page.find(".clear").click()
    assert ink() == 0


def test_the_network_is_shown(page):
    """Units of each layer are counted, and the arrow keys show the weights of one after another."""
    page.draw("3")
    page.answer()
    page.find("summary").click()
    page.wait(lambda: len(page.pad.find_elements(By.CSS_SELECTOR, ".units")) == 2)
    captions = [c.text for c in page.pad.find_elements(By.CSS_SELECTOR, ".caption")]
    assert all("units are lit" in caption for caption in captions)
    assert captions[0].startswith("Layer 1: ")
    assert "of 2,048" in captions[0]
    units = page.find(".units")
    before = page.wait(lambda: page.text(".unit figcaption"))
    number = int(units.get_attribute("aria-valuenow"))
    units.send_keys(Keys.HOME, Keys.ARROW_RIGHT)
    page.wait(lambda: units.get_attribute("aria-valuenow") == "2")
    assert units.get_attribute("aria-valuetext").startswith("Unit 2, ")
    assert number != 2
    assert page.text(".unit figcaption") != before
    filled = page.browser.execute_script(
        "return arguments[0].getContext('2d').getImageData(0, 0, 28, 28).data.some((v) => v)",
        page.find(".unit canvas"),
    )
    assert filled


def test_photos_are_read(page, tmp_path):
    """A photo of paper in uneven light, in ink or in chalk, of one digit or of lines."""
    for digit in "2357":
        picture = photo([digit])
        for name in ("dark.png", "light.png"):
            image = picture if name == "dark.png" else picture.point(lambda value: 255 - value)
            image.save(tmp_path / name)
            page.upload(tmp_path / name)
            page.wait(lambda: page.find(".picture").is_displayed())
            assert page.answer() == digit
            page.find(".clear").click()
    photo(["3172", "70"]).save(tmp_path / "page.jpg")
    page.go_to_pages_of_digits()
    page.upload(tmp_path / "page.jpg")
    assert page.lines() == ["3172", "70"]


def test_what_is_no_picture_is_told(page, tmp_path):
    """Empty and foreign files end in a sentence, as do several digits; blank paper is blank."""
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    page.upload(tmp_path / "empty.png")
    assert page.error() == "This file is empty."
    page.upload(tmp_path / "text.png")
    page.wait(lambda: page.error().startswith("This browser cannot open the picture."))
    photo(["1"]).crop((0, 0, 100, 240)).save(tmp_path / "blank.png")
    page.upload(tmp_path / "blank.png")
    page.wait(lambda: page.find(".answer").get_attribute("data-state") == "blank")
    photo(["37"]).save(tmp_path / "two.png")
    page.upload(tmp_path / "two.png")
    page.wait(lambda: page.error().startswith("There are several digits."))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_phones_and_desktops(page, dark, width):
    """Nothing stands out sideways, text has contrast, and fingers can hit the buttons."""
    media = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    size = {"width": width, "height": 740, "deviceScaleFactor": 2, "mobile": width < 800}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.browser.refresh()
        page.wait(lambda: page.pad)
        for _ in range(2):
            page.draw("1", 0.2, 0.1, 0.5)
            page.answer()
            page.find("summary").click()
            page.wait(lambda: page.find(".unit figcaption").text)
            outside = page.browser.execute_script(
                "return [...document.querySelectorAll('.pad *')].filter((e) => e.offsetParent &&"
                "(e.getBoundingClientRect().right > innerWidth)).map((e) => e.className)"
            )
            assert outside == []
            assert page.browser.execute_script("return document.body.scrollWidth <= innerWidth")
            for selector in (".choose", ".clear", ".undo"):
                assert page.find(selector).rect["height"] >= 44
            for selector in (".headline", ".detail", ".choose", "figcaption", ".caption", ".pen"):
                assert page.browser.execute_script(CONTRAST, page.find(selector)) >= 4.5
            page.go_to_pages_of_digits()
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
