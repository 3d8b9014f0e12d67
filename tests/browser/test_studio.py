"""A person uses the studio: as the page that is opened from disk, and as the one that `facekit app` serves."""

import base64
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from facekit import Expression, Faces
from facekit.faces import from_uint8, read_expression, to_uint8
from facekit.models.load import load_system
from facekit.models.video.driving import Portrait, pixels_of
from facekit.show.subjects import drawn_person
from facekit.show.videos import VideoWriter

PIXELS = """name => {
    const canvas = document.getElementById(name);
    const {width, height} = canvas;
    return [width, height, Array.from(canvas.getContext('2d').getImageData(0, 0, width, height).data)];
}"""
PASTE = """packed => {
    const bytes = Uint8Array.from(atob(packed), each => each.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], 'phone.jpg', {type: 'image/jpeg'}));
    window.dispatchEvent(new ClipboardEvent('paste', {clipboardData: transfer}));
}"""
UNNAMED = """() => [...document.querySelectorAll('button, input, select, [role=radio]')]
    .filter(each => !each.hidden && !each.closest('dialog:not([open])'))
    .filter(each => !(each.ariaLabel || each.textContent.trim() || each.labels?.length))
    .map(each => each.outerHTML)"""
CONTRASTS = """() => {
    const style = getComputedStyle(document.documentElement);
    const linear = c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const light = name => {
        const hex = style.getPropertyValue(name).trim().match(/\\w\\w/g);
        const [r, g, b] = hex.map(each => linear(parseInt(each, 16) / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const pairs = [['--ink', '--card'], ['--ink', '--ground'], ['--soft', '--card'], ['--soft', '--ground'],
        ['--red', '--card'], ['--on-accent', '--accent'], ['--ink', '--wash']];
    return pairs.map(([a, b]) => {
        const [high, low] = [light(a), light(b)].sort((p, q) => q - p);
        return [a, b, (high + 0.05) / (low + 0.05)];
    });
}"""


@pytest.fixture(params=["opened", "served"])
def address(request):
    """The studio from disk, then the served one."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def watched(page):
    """The page; at the end, it must have asked no other host for anything, and no script may have failed."""
    asked, failed = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    yield page
    assert not failed
    assert all(url.startswith(("file:", "blob:", "data:", "http://127.0.0.1:")) for url in asked), asked


def use_the_face(page):
    """The face of a picture, used once its eyes are found: (3, 64, 64) in grey levels."""
    before = image(page, "before")
    page.wait_for_function("!document.getElementById('find').disabled && !document.getElementById('marking').hidden")
    page.get_by_role("button", name="Use this face").click()
    while torch.equal(image(page, "before"), before):
        page.wait_for_timeout(50)
    return image(page, "before").float()


def cut_out(pixels, which=0):
    """A face of a picture (H, W, 3) as Python aligns it: (3, 64, 64) in grey levels."""
    Image.fromarray(pixels).save(file := io.BytesIO(), "PNG")
    portrait = Portrait.of_picture(file.getvalue(), load_system("stargan-synthetic"), which)
    return to_uint8(portrait.faces.images[0]).float()


def visit(page, address, state=""):
    page.goto("about:blank")
    page.goto(f"{address}#{state}")
    settled(page)


def settled(page):
    """Wait until everything is shown that the last action asked for."""
    page.wait_for_function(
        "!document.body.dataset.busy && document.getElementById('reading').textContent"
        " && !document.querySelector('.card.waiting')"
    )


def image(page, canvas="after"):
    """A canvas as (3, H, W) uint8."""
    width, height, values = page.evaluate(PIXELS, canvas)
    return torch.tensor(values, dtype=torch.uint8).view(height, width, 4).permute(2, 0, 1)[:3]


def difference(a, b):
    """The largest difference of two images in grey levels."""
    return (a.int() - b.int()).abs().max().item()


def edited(weights, expression, person=7):
    system = load_system(weights)
    face = from_uint8(to_uint8(drawn_person(person).at(system.preset.size, 3).images))
    return to_uint8(system.edit(Faces(face), expression)[0])


@pytest.mark.parametrize(
    "weights", ["cascaded_editor-synthetic_transfers", "ganimation-synthetic", "mma_gan-synthetic", "stargan-synthetic"]
)
def test_edits_are_those_of_pytorch(watched, address, weights):
    visit(watched, address, f"p=7&g={weights}&surprise=0.8")
    expression = Expression.of("surprise", 0.8)
    expression = expression.to_action_units() if weights.startswith(("cascaded", "ganim")) else expression
    assert difference(image(watched), edited(weights, expression)) <= 1
    assert "surprise" in watched.locator("#reading").text_content()


def test_a_face_of_which_nothing_is_asked_stays_as_it_is(watched, address):
    visit(watched, address, "p=3")
    assert difference(image(watched), image(watched, "before")) == 0
    assert "as it is" in watched.locator("#reading").text_content()
    watched.get_by_role("button", name="happy", exact=True).click()
    settled(watched)
    assert difference(image(watched), image(watched, "before")) > 60
    watched.get_by_role("button", name="Undo").click()
    settled(watched)
    assert difference(image(watched), image(watched, "before")) == 0
    watched.get_by_role("button", name="Redo").click()
    settled(watched)
    assert "happy=1" in watched.url


def test_sliders_follow_the_keyboard_and_the_link_leads_back(watched, address):
    visit(watched, address, "p=2&g=ganimation-synthetic")
    watched.keyboard.press("4")  # happy
    settled(watched)
    full = image(watched)
    slider = watched.locator("#intensities input:visible")
    slider.focus()
    for _ in range(40):
        watched.keyboard.press("ArrowLeft")
    settled(watched)
    part, link = image(watched), watched.url
    assert difference(full, part) > 10
    assert "happy=0.6" in link
    assert watched.locator(".unit", has_text="AU 12 ").locator("output:visible").text_content() == "60"
    visit(watched, address, link.partition("#")[2])
    assert difference(image(watched), part) == 0


def test_one_side_by_itself(watched, address):
    visit(watched, address, "p=7&g=ganimation-synthetic")
    watched.get_by_label("Left and right together").uncheck()
    slider = watched.get_by_label("AU 12 lip corner puller left")
    slider.focus()
    slider.press("End")
    settled(watched)
    assert "AU12L=1" in watched.url
    assert "AU12R" not in watched.url
    assert difference(image(watched), edited("ganimation-synthetic", Expression.from_action_units({"AU12L": 1.0}))) <= 1


def test_what_a_generator_does_not_know_is_said(watched, address):
    visit(watched, address, "p=7&g=cascaded_editor-synthetic_transfers")
    watched.evaluate("CONTENTS.generators[0].untrained.push('AU43L', 'AU43R')")  # as if it had been trained on emotions
    watched.get_by_role("button", name="wink").click()
    settled(watched)
    assert "was not trained on AU43" in watched.locator("#note").text_content()
    assert difference(image(watched), image(watched, "before")) == 0
    watched.get_by_role("button", name="Use StarGAN").click()
    settled(watched)
    assert "takes emotions only" in watched.locator("#emotions-only").text_content()


def test_views_tour_and_people(watched, address):
    visit(watched, address, "p=7&g=stargan-synthetic&happy=1")
    compared = image(watched)
    for view in ("Difference", "What changed"):
        watched.get_by_role("radio", name=view).click()
        assert difference(image(watched), compared) > 30
    watched.get_by_role("button", name="Tour").click()
    for _ in range(4):
        assert watched.locator("#hint").is_visible()
        assert watched.locator(".pointed").count() == 1
        watched.locator("#next").click()
    assert watched.locator(".pointed").count() == 0
    before = image(watched, "before")
    watched.get_by_role("button", name="Drawn people").click()
    watched.get_by_role("button", name="Person 3", exact=True).click()
    watched.wait_for_url("**#p=3*")
    settled(watched)
    assert difference(image(watched, "before"), before) > 60


def test_an_expression_is_saved_and_loaded(watched, address, tmp_path):
    visit(watched, address, "p=7&g=ganimation-synthetic&sad=0.7&AU12L=0.5")
    with watched.expect_download() as saved:
        watched.get_by_role("button", name="Save expression").click()
    saved.value.save_as(tmp_path / "e.json")
    content = json.loads((tmp_path / "e.json").read_text())
    assert (content["emotions"], content["action_units"]) == ({"sad": 0.7}, {"AU12L": 0.5})
    asked = watched.evaluate("r => expressions.actionUnits(expressions.fromFile(r), expressions.columns.map(() => 0))",
                             (tmp_path / "e.json").read_text())  # fmt: skip
    assert torch.allclose(read_expression(tmp_path / "e.json").action_units[0], torch.tensor(asked), atol=1e-6)
    shown = image(watched)
    watched.get_by_role("button", name="Reset").click()
    settled(watched)
    for name, text in (("letter.json", "Dear Sir or Madam"), ("other.json", "{}")):
        (tmp_path / name).write_text(text)
        watched.locator("#expression-file").set_input_files(tmp_path / name)
        watched.get_by_text(f"{name} holds no expression").wait_for()
    watched.locator("#expression-file").set_input_files(tmp_path / "e.json")
    watched.wait_for_url("**sad=0.7*")
    settled(watched)
    assert difference(image(watched), shown) == 0


def test_a_picture_is_edited_and_pasted_back(watched, address, one_person, tmp_path):
    Image.fromarray(one_person).save(tmp_path / "me.png")
    (tmp_path / "letter.png").write_text("Dear Sir or Madam")
    visit(watched, address, "g=stargan-synthetic&happy=1")
    watched.get_by_role("button", name="Your picture").click()
    watched.locator("#file").set_input_files(tmp_path / "letter.png")
    watched.get_by_text("is no picture").wait_for()
    watched.locator("#file").set_input_files(tmp_path / "me.png")
    use_the_face(watched)
    assert watched.locator("#picture-note").text_content() == ""
    watched.get_by_text("have never seen a photograph").wait_for()
    settled(watched)
    system = load_system("stargan-synthetic")
    cut = Portrait.of_picture(tmp_path / "me.png", system).faces
    for canvas, expected in (("before", cut.images), ("after", system.edit(cut, Expression.of("happy")))):
        assert (image(watched, canvas).float() - to_uint8(expected[0]).float()).abs().mean() < 8
    watched.evaluate("CONTENTS.generators[0].untrained.push('AU43L', 'AU43R')")  # estimated units are never quite 0
    watched.get_by_role("button", name="Use Diffusion editor", exact=True).click()
    settled(watched)
    assert difference(image(watched), image(watched, "before")) > 60
    watched.get_by_role("button", name="Use StarGAN").click()
    settled(watched)
    with watched.expect_download() as saved:
        watched.get_by_role("button", name="Save whole picture").click()
    saved.value.save_as(tmp_path / "whole.png")
    whole = Image.open(tmp_path / "whole.png")
    assert "This is not a recording" in whole.text["Comment"]
    change = np.abs(np.asarray(whole.convert("RGB")).astype(int) - one_person).mean(-1)
    assert change[:80].max() == change[:, :190].max() == 0
    assert change[250:330, 280:380].mean() > 8  # the mouth


def test_each_of_several_faces_can_be_chosen(watched, address, two_people, tmp_path):
    Image.fromarray(two_people).save(tmp_path / "us.png")
    visit(watched, address, "g=stargan-synthetic")
    watched.get_by_role("button", name="Your picture").click()
    watched.locator("#file").set_input_files(tmp_path / "us.png")
    chips = watched.locator("#several button")
    chips.nth(1).wait_for()
    assert chips.count() == 2
    expected, used = [cut_out(two_people, which) for which in range(2)], set()
    for k in range(2):
        if k:
            watched.get_by_role("button", name="Your picture").click()
        chips.nth(k).click()
        shown = use_the_face(watched)
        differences = [(shown - face).abs().mean().item() for face in expected]
        assert min(differences) < 10
        used.add(differences.index(min(differences)))
    assert len(used) == 2


def test_a_face_is_made_neutral_first_where_that_is_asked_for(watched, address):
    visit(watched, address, "p=7&g=stargan-synthetic&sad=1")
    face, directly = image(watched, "before"), image(watched)
    watched.get_by_label("Neutralise first").check()
    watched.wait_for_url("**neutralise=1*")
    settled(watched)
    system = load_system("stargan-synthetic")
    neutral = system.edit(Faces(from_uint8(face)[None]), Expression.neutral())
    expected = to_uint8(system.edit(Faces(neutral), Expression.of("sad"))[0])
    assert difference(image(watched), expected) <= 4  # the server rounds the neutral face
    assert difference(image(watched), directly) > 20


def test_a_movement_is_played_and_saved(watched, address, tmp_path):
    visit(watched, address, "p=7&g=stargan-synthetic&surprise=1")
    watched.get_by_role("button", name="Play").click()
    watched.get_by_role("button", name="Pause").wait_for()
    watched.wait_for_function("document.getElementById('note').textContent === ''")
    watched.get_by_role("button", name="Pause").click()
    timeline = watched.get_by_label("Time in the movement")
    timeline.fill("0")
    assert difference(image(watched), image(watched, "before")) == 0
    timeline.fill("100")
    assert difference(image(watched), edited("stargan-synthetic", Expression.of("surprise"))) <= 1
    with watched.expect_download() as saved:
        watched.get_by_role("button", name="Save video").click()
    saved.value.save_as(tmp_path / saved.value.suggested_filename)
    assert (tmp_path / saved.value.suggested_filename).stat().st_size > 2000


def test_a_video_moves_the_face(watched, served, tmp_path):
    path = tmp_path / "driver.mp4"
    renderer, blank = drawn_person(33).ground_truth(256, 3), Faces(torch.zeros(1, 3, 256, 256))
    with VideoWriter(path, 10, "test") as writer:
        for level in (0.0, 0.5, 1.0, 1.0, 0.5):
            writer.add(pixels_of(renderer.edit(blank, Expression.of("surprise", level))[0]))
    visit(watched, served, "p=7")
    watched.locator("#driver").set_input_files(path)
    watched.get_by_text("Moved by driver.mp4").wait_for()
    watched.get_by_role("button", name="Pause").click()
    frames = []
    for place in ("0", "50"):
        watched.get_by_label("Time in the movement").fill(place)
        frames.append(image(watched))
    assert frames[0].shape == (3, 64, 64)
    assert difference(*frames) > 40
    (tmp_path / "broken.mp4").write_text("Dear Sir or Madam")
    watched.locator("#driver").set_input_files(tmp_path / "broken.mp4")
    watched.get_by_text("This did not work").wait_for()


def test_everything_has_a_name_and_enough_contrast(watched, address):
    visit(watched, address)
    assert watched.evaluate(UNNAMED) == []
    for _ in range(2):
        assert [pair for pair in watched.evaluate(CONTRASTS) if pair[2] < 4.5] == []  # WCAG 2, level AA
        watched.locator("#theme").click()
    for width in (1280, 390):
        watched.set_viewport_size({"width": width, "height": 800})
        assert watched.evaluate("document.documentElement.scrollWidth") <= width


def test_a_camera_that_may_not_be_used_is_said(watched, address):
    visit(watched, address)
    watched.get_by_role("button", name="Webcam").click()
    watched.get_by_text("There is no camera, or this page may not use it").wait_for()


def test_the_camera_takes_a_picture(watched, address, one_person):
    watched.context.grant_permissions(["camera"])
    visit(watched, address, "g=stargan-synthetic")
    watched.get_by_role("button", name="Webcam").click()
    watched.get_by_role("button", name="Take a picture").click()
    assert (use_the_face(watched) - cut_out(one_person)).abs().mean() < 10
    assert watched.locator("#camera").is_hidden()


@pytest.mark.parametrize("way", ["chosen", "pasted"])
def test_a_picture_is_turned_as_its_camera_says(watched, address, one_person, tmp_path, way):
    visit(watched, address, "g=stargan-synthetic")
    lying, exif = Image.fromarray(one_person).transpose(Image.Transpose.ROTATE_90), Image.Exif()
    exif[0x0112] = 6  # the orientation: to be turned clockwise by 90 degrees
    lying.save(path := tmp_path / "phone.jpg", exif=exif, quality=95)
    if way == "chosen":
        watched.get_by_role("button", name="Your picture").click()
        watched.locator("#file").set_input_files(path)
    else:
        watched.evaluate(PASTE, base64.b64encode(path.read_bytes()).decode())
    assert (use_the_face(watched) - cut_out(one_person)).abs().mean() < 10


def test_the_page_saves_its_picture_with_its_origin(watched, address):
    visit(watched, address, "p=7&g=mma_gan-synthetic&angry=1")
    with watched.expect_download() as saved:
        watched.get_by_role("button", name="Save picture").click()
    picture = Image.open(io.BytesIO(saved.value.path().read_bytes()))
    assert picture.size == (64, 64)
    assert picture.text["Comment"] == "Generated by facekit with mma_gan-synthetic. This is not a recording."
