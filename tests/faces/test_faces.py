import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.faces.expression import Expression
from facekit.faces.faces import Faces, from_uint8, resize, to_gray, to_rgb, to_uint8


def some(n=4, frames=None, channels=3, size=8) -> Faces:
    """Faces with every annotation."""
    shape = (n,) if frames is None else (n, frames)
    generator = torch.Generator().manual_seed(n)

    def random(*more):
        return torch.rand(*shape, *more, generator=generator)

    return Faces(
        2 * random(channels, size, size) - 1,
        emotion=torch.arange(n) % 8,
        intensity=random(),
        action_units=random(33),
        landmarks=2 * random(68, 2) - 1,
        mask=random(1, size, size),
        person=torch.arange(n) // 2,
        domain=torch.zeros(n, dtype=torch.long),
        attributes={"age": torch.arange(n)},
        names=tuple(f"f{i}" for i in range(n)),
    )


FIELDS = ("images", "emotion", "intensity", "action_units", "landmarks", "mask", "person", "domain")


def same(a: Faces, b: Faces) -> bool:
    return (
        all(torch.equal(getattr(a, name), getattr(b, name)) for name in FIELDS)
        and torch.equal(a.attributes["age"], b.attributes["age"])
        and a.names == b.names
    )


def test_sizes_and_repr():
    faces, moving = some(4, channels=1, size=16), some(3, frames=5)
    assert (len(faces), faces.size, faces.channels, faces.frames) == (4, 16, 1, None)
    assert (len(moving), moving.size, moving.channels, moving.frames) == (3, 8, 3, 5)
    assert repr(Faces(torch.zeros(2, 1, 4, 4))) == "Faces((2, 1, 4, 4), no annotations)"
    assert "emotion, intensity" in repr(faces)


INVALID = {
    "no batch": ({"images": torch.zeros(3, 8, 8)}, "shape"),
    "two channels": ({"images": torch.zeros(1, 2, 8, 8)}, "C 1 or 3"),
    "bytes": ({"images": torch.zeros(1, 3, 8, 8, dtype=torch.uint8)}, "from_uint8"),
    "too few labels": ({"images": torch.zeros(2, 3, 8, 8), "emotion": torch.zeros(1)}, "emotion has 1 rows for 2"),
    "too many attributes": (
        {"images": torch.zeros(2, 3, 8, 8), "attributes": {"age": torch.zeros(3)}},
        "age has 3 rows for 2",
    ),
    "too few names": ({"images": torch.zeros(2, 3, 8, 8), "names": ("a",)}, "1 names for 2 images"),
}


@pytest.mark.parametrize("kind", INVALID)
def test_invalid_shapes_raise(kind):
    parts, message = INVALID[kind]
    with pytest.raises(ValueError, match=message):
        Faces(**parts)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-6, 5), min_size=1, max_size=8), st.sampled_from([None, 3]))
def test_selecting_rows_keeps_annotations_together(index, frames):
    faces = some(6, frames)
    wanted = Faces.cat([faces[i] for i in index])
    assert same(faces[index], wanted)
    assert same(faces[torch.tensor(index)], wanted)
    assert wanted.names == tuple(f"f{i % 6}" for i in index)


def test_rows_by_slice_mask_and_integer():
    faces = some(6)
    assert same(faces[1:4], faces[[1, 2, 3]])
    assert same(faces[torch.tensor([False, True, True, True, False, False])], faces[1:4])
    assert same(faces[-1], faces[5:])
    assert same(faces[torch.tensor(2)], faces[2])
    assert [len(row) for row in faces] == [1] * 6
    with pytest.raises(IndexError):
        faces[6]


def test_cat_keeps_only_annotations_that_all_have():
    faces = some(4)
    bare = Faces(torch.zeros(2, 3, 8, 8), emotion=torch.zeros(2, dtype=torch.long))
    both = Faces.cat([faces, bare])
    assert len(both) == 6
    assert both.emotion.shape == (6,)
    assert both.person is both.landmarks is both.names is None
    assert both.attributes == {}
    assert same(Faces.cat([faces[:1], faces[1:]]), faces)
    with pytest.raises(ValueError, match="at least one"):
        Faces.cat([])


def test_to_a_device():
    faces = some(2).to("meta")
    assert {getattr(faces, name).device.type for name in FIELDS} == {"meta"}
    assert faces.names == ("f0", "f1")


# ---------------------------------------------------------------------------------------------- expression


def test_the_expression_has_every_known_part():
    faces = some(3)
    expression = faces.expression
    assert expression.parts == {"emotion", "intensity", "action_units", "landmarks", "domain"}
    assert expression.emotion.argmax(1).tolist() == [0, 1, 2]
    assert torch.equal(expression.intensity, faces.intensity)
    assert torch.equal(Expression.from_faces(faces).landmarks, faces.landmarks)


def test_the_expression_of_sequences():
    moving = some(3, frames=5)
    expression = moving.expression
    assert expression.frames == 5
    assert torch.equal(expression.intensity, moving.intensity)
    # An annotation of the whole sequence holds in each frame, even if N equals T.
    for n in (3, 5):
        sequences = some(n, frames=5)
        first = {name: getattr(sequences, name)[:, 0] for name in ("intensity", "action_units", "landmarks")}
        whole = Faces(sequences.images, sequences.emotion, **first)
        for t in range(5):
            assert torch.equal(whole.expression.at(t).intensity, sequences.intensity[:, 0])
            assert torch.equal(whole.expression.at(t).action_units, sequences.action_units[:, 0])
            assert torch.equal(whole.expression.at(t).landmarks, sequences.landmarks[:, 0])


def test_the_expression_of_unlabelled_faces():
    images = torch.zeros(2, 3, 8, 8)
    with pytest.raises(ValueError, match="expression of these faces is unknown"):
        _ = Faces(images).expression
    with pytest.raises(ValueError, match="expression of these faces is unknown"):
        _ = Faces(images, emotion=torch.tensor([3, -1])).expression
    some_units = Faces(images, emotion=torch.tensor([3, -1]), action_units=torch.zeros(2, 33))
    assert some_units.expression.parts == {"action_units"}


def test_flatten_time():
    moving = some(3, frames=5)
    flat = moving.flatten_time()
    assert len(flat) == 15
    assert flat.frames is None
    assert flat.names[6] == "f1#1"
    for name in ("images", "mask", "landmarks", "action_units", "intensity"):
        assert torch.equal(getattr(flat, name)[6], getattr(moving, name)[1, 1])
    for name in ("emotion", "person", "domain"):
        assert torch.equal(getattr(flat, name)[6], getattr(moving, name)[1])
    assert flat.attributes["age"].tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert some(3).flatten_time().images.shape == (3, 3, 8, 8)


def test_flatten_time_repeats_annotations_of_the_whole_sequence():
    moving = some(3, frames=5)
    once = Faces(
        moving.images,
        intensity=moving.intensity[:, 0],
        action_units=moving.action_units[:, 0],
        landmarks=moving.landmarks[:, 0],
        mask=moving.mask[:, 0],
    ).flatten_time()
    for name in ("intensity", "action_units", "landmarks", "mask"):
        assert torch.equal(getattr(once, name), getattr(moving, name)[:, 0].repeat_interleave(5, 0))


# --------------------------------------------------------------------------------------------------- images


def test_greyscale_is_luma_and_rgb_repeats_it():
    images = torch.tensor([1.0, 0, 0, 0, 1, 0, 0, 0, 1]).view(3, 3, 1, 1)
    assert to_gray(images).flatten().tolist() == pytest.approx([0.299, 0.587, 0.114])
    gray = torch.rand(2, 5, 1, 4, 4)
    assert to_gray(gray) is gray
    assert torch.equal(to_rgb(gray), gray.repeat(1, 1, 3, 1, 1))
    assert torch.allclose(to_gray(to_rgb(gray)), gray, atol=1e-6)
    faces = some(2)
    assert faces.gray().channels == 1
    assert faces.gray().rgb().channels == 3
    assert torch.equal(faces.gray().landmarks, faces.landmarks)


@pytest.mark.parametrize("frames", [None, 3])
def test_resizing(frames):
    faces = some(2, frames, size=16)
    assert faces.resized(16) is faces
    small = faces.resized(8)
    assert small.images.shape[-2:] == small.mask.shape[-2:] == (8, 8)
    assert torch.equal(small.landmarks, faces.landmarks)
    assert small.images.abs().max() <= 1
    assert torch.allclose(resize(torch.full((2, 3, 9, 9), 0.3), 4), torch.tensor(0.3))
    grating = torch.tensor([1.0, -1.0]).repeat(32).expand(1, 1, 64, 64)
    assert resize(grating, 8).abs().max() < 0.05  # antialiased


def test_to_uint8_inverts_from_uint8():
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(from_uint8(every)), every)
    assert from_uint8(every).min() == -1
    assert from_uint8(every).max() == 1
    assert to_uint8(torch.tensor([-9.0, 9.0])).tolist() == [0, 255]
    assert to_uint8(torch.zeros(1, requires_grad=True)).dtype == torch.uint8
