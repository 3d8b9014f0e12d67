"""Frames of videos: files in common formats, films of phones, folders, and what is no video."""

import struct

import av
import numpy as np
import pytest
from PIL import Image

from facekit.datasets.videos import BadVideo, VideoFrames, camera_frames, thinned


def picture(i, height=48, width=64):
    """Red in the corner at the top left, and grey that becomes lighter."""
    frame = np.full((height, width, 3), 20 * i % 240, np.uint8)
    frame[:16, :16] = (250, 0, 0)
    return frame


def write(path, codec="libx264", fps=20, frames=6, pixels="yuv420p"):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for i in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(i), format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mov", "libx264"), ("a.avi", "mpeg4"), ("a.webm", "libvpx")]
)
def test_common_formats_are_read(tmp_path, name, codec):
    video = VideoFrames(write(tmp_path / name, codec))
    assert video.fps == pytest.approx(20)
    for _ in range(2):  # it can be read again
        frames = list(video)
        assert len(frames) == 6
        for i, frame in enumerate(frames):
            assert frame.shape == (48, 64, 3)
            assert abs(int(frame[40, 50].mean()) - 20 * i) < 12
            assert frame[6, 6, 0] > 180 > 90 > frame[6, 6, 1]


def test_films_of_phones_are_turned_upright(tmp_path):
    path = write(tmp_path / "phone.mp4")
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44  # the matrix of the track: here one that turns the picture by 90 degrees clockwise
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    path.write_bytes(data)
    frame = next(iter(VideoFrames(path)))
    assert frame.shape == (64, 48, 3)
    assert frame[6, 40, 0] > 180  # the corner at the top left is now at the top right
    assert frame[6, 6, 0] < 60


def test_a_folder_is_read_in_order_of_names(tmp_path):
    for i in (2, 0, 1):
        Image.fromarray(picture(i)).save(tmp_path / f"{i:03}.png")
    video = VideoFrames(tmp_path)
    assert [int(frame[40, 50, 0]) for frame in video] == [0, 20, 40]
    assert video.fps == 25


def test_what_is_no_video_is_named(tmp_path):
    with pytest.raises(BadVideo, match="there is no file"):
        VideoFrames(tmp_path / "a.mp4")
    with pytest.raises(BadVideo, match="contains no picture"):
        VideoFrames(tmp_path)
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(BadVideo, match="is not a video, or is damaged"):
        VideoFrames(tmp_path / "text.mp4")
    whole = write(tmp_path / "cut.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 3])
    with pytest.raises(BadVideo):
        VideoFrames(tmp_path / "cut.mp4")
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "0.png").write_bytes(b"nothing")
    with pytest.raises(BadVideo, match=r"0\.png"):
        list(VideoFrames(tmp_path / "frames"))


def test_a_video_is_not_kept_in_memory(tmp_path):
    frames = iter(VideoFrames(write(tmp_path / "long.mp4", frames=200)))
    first = [next(frames) for _ in range(3)]
    assert len(first) == 3
    frames.close()


def test_fewer_frames_are_spread_evenly():
    frames = [np.full((1, 1, 3), i, np.uint8) for i in range(30)]
    assert [int(f[0, 0, 0]) for f in thinned(iter(frames), 30, 10)] == list(range(0, 30, 3))
    assert len(list(thinned(iter(frames), 30, 30))) == 30
    assert len(list(thinned(iter(frames), 30, 12.5))) in (12, 13)


def test_a_camera_that_is_not_there_is_named():
    with pytest.raises(BadVideo, match="camera 99 cannot be opened"):
        list(camera_frames(1, camera=99))
