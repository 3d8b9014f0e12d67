import pytest

from facekit.weights.onnx import open_network


def test_missing_and_invalid_files_raise(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"net\.onnx"):
        open_network(tmp_path / "net.onnx")
    (tmp_path / "net.onnx").write_text("not a network")
    with pytest.raises(ValueError, match=r"net\.onnx cannot be read"):
        open_network(tmp_path / "net.onnx")


def test_a_network_is_opened(outside):
    session = open_network(outside("judges/faceapi_landmark68.onnx"), threads=1)
    assert session.get_outputs()[0].shape[-1] == 136
