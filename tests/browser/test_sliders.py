"""A person opens notebooks and the page of sliders in a browser, runs them, moves sliders and brings pictures."""

import io
import time

from facekit.show import to_image
from facekit.show.subjects import drawn_person

BUSY = "Array.from(document.querySelectorAll('.jp-InputPrompt')).some(e => e.textContent.includes('*'))"
IDLE = "window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
STUDIO = ".widget-image:visible"


def run_all(page, address, seconds=300):
    """Open a notebook in JupyterLab and run all its cells."""
    page.goto(address, wait_until="domcontentloaded")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_function(IDLE)
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(f"!({BUSY}) && {IDLE}", timeout=1000 * seconds)
    assert page.locator('[data-mime-type="application/vnd.jupyter.error"]').count() == 0


def panel(page):
    """The last widget in the page with sliders and a picture, scrolled into view."""
    boxes = page.locator(".widget-hbox:has(.noUi-handle):has(img)")
    boxes.first.wait_for(state="attached")
    box = boxes.first
    box.scroll_into_view_if_needed()
    return box


def picture(box):
    return box.locator("img").first.get_attribute("src")


def push(box, slider, times=6):
    """Move a slider by the keyboard, and wait until the picture is another. Returns the seconds that it took."""
    before = picture(box)
    handle = box.locator(f".widget-hslider:has(label:text-is('{slider}')) .noUi-handle")
    handle.focus()
    started = time.monotonic()
    for _ in range(times):
        handle.press("ArrowRight")
    while picture(box) == before:
        assert time.monotonic() - started < 30, f"{slider} was moved, and the picture stayed"
        time.sleep(0.02)
    return time.monotonic() - started


def upload(page, name, content, kind="image/png"):
    page.locator("input[type=file]").first.set_input_files({"name": name, "mimeType": kind, "buffer": content})


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
    page.get_by_text("has seen drawn faces only").first.wait_for()
    page.wait_for_function("([a, b]) => a !== b", arg=[before, picture(box)])
    push(box, "sad")


def test_the_first_notebook_in_jupyterlab(page, lab):
    run_all(page, lab("00_start_here.ipynb"))
    push(panel(page), "happy")


def test_the_sliders_in_jupyterlab(page, lab):
    run_all(page, lab("15_emotion_sliders.ipynb"))
    try_studio(page, panel(page))


def test_the_sliders_as_a_page_without_code(page, sliders):
    page.goto(sliders)
    box = panel(page)
    assert page.get_by_text("from facekit import").count() == 0
    try_studio(page, box)
