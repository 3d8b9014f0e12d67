"""A person opens notebooks in a browser, runs them, moves sliders and brings pictures."""

import io
import time

from facekit.show import to_image
from facekit.show.subjects import drawn_person

BUSY = "Array.from(document.querySelectorAll('.jp-InputPrompt')).some(e => e.textContent.includes('*'))"
IDLE = "window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"


def run_all(page, address, seconds=300):
    """Open a notebook in JupyterLab and run all its cells."""
    page.goto(address, wait_until="domcontentloaded")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_function(IDLE)
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(f"!({BUSY}) && {IDLE}", timeout=1000 * seconds)
    assert page.locator('[data-mime-type="application/vnd.jupyter.error"]').count() == 0


def panel(page):
    """The first widget in the page with sliders and a picture, scrolled into view."""
    box = page.locator(".widget-hbox:has(.noUi-handle):has(img)").first
    box.wait_for(state="attached")
    box.scroll_into_view_if_needed()
    return box


def picture(box):
    return box.locator("img").first.get_attribute("src")


def push(box, slider, times=6):
    """Move a slider by the keyboard, and wait until the picture is another."""
    before = picture(box)
    handle = box.locator(f".widget-hslider:has(label:text-is('{slider}')) .noUi-handle")
    handle.focus()
    for _ in range(times):
        handle.press("ArrowRight")
    changed(box, before, f"{slider} was moved")


def changed(box, before, after_what):
    """Wait until the picture is another."""
    started = time.monotonic()
    while picture(box) == before:
        assert time.monotonic() - started < 30, f"{after_what}, and the picture stayed"
        time.sleep(0.02)


def upload(page, name, content):
    with page.expect_file_chooser() as asked:
        page.locator(".widget-upload:visible").first.click()
    asked.value.set_files({"name": name, "mimeType": "image/png", "buffer": content})


def portrait(number):
    buffer = io.BytesIO()
    to_image(drawn_person(number).at(256, 3).images[0]).save(buffer, "PNG")
    return buffer.getvalue()


def try_studio(page, box):
    """What a person does in the studio: push sliders, bring something that is no picture, and then one that is."""
    push(box, "happy")
    push(box, "surprise", times=3)
    page.get_by_role("button", name="upload").first.click()
    upload(page, "letter.png", b"Dear Sir or Madam")
    page.get_by_text("not a picture").first.wait_for()
    before = picture(box)
    upload(page, "me.png", portrait(20))
    page.get_by_text("was trained on drawn faces only").first.wait_for()
    changed(box, before, "a portrait was brought")
    push(box, "sad")


def test_the_first_notebook_in_jupyterlab(page, lab):
    run_all(page, lab("00_start_here.ipynb"))
    push(panel(page), "happy")


def test_the_sliders_in_jupyterlab(page, lab):
    run_all(page, lab("16_emotion_sliders.ipynb"))
    try_studio(page, panel(page))
