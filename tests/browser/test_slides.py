"""A deck of slides in a browser, opened from disk."""

from facekit.batch.notebooks import find_notebooks
from facekit.batch.slides import write_decks


def test_every_slide_is_shown_and_nothing_is_fetched(page, tmp_path):
    (deck,) = write_decks(find_notebooks(["00"]), tmp_path)
    problems, fetched = [], []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(request.url))
    page.on("request", lambda request: fetched.append(request.url))
    page.goto(deck.as_uri())
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    total = page.evaluate("Reveal.getTotalSlides()")
    assert total > 15
    for i in range(total):
        assert page.evaluate("Reveal.getSlidePastCount()") == i
        text, pictures = page.evaluate(
            "[Reveal.getCurrentSlide().innerText, Reveal.getCurrentSlide().querySelectorAll('img').length]"
        )
        assert text.strip() or pictures, f"slide {i} is empty"
        page.keyboard.press("Space")  # forward, into a column and out of it
    assert not problems
    assert all(url.startswith(("file:", "data:", "about:", "blob:")) for url in fetched)
