import math
import pickle

import pytest
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from facekit import Faces
from facekit.evaluation.metrics.distribution import fid, inception_features, inception_score, kid

MEAN, DEVIATION, D = 1.5, 2.0, 8


def gaussian(n, seed, mean=0.0, deviation=1.0):
    return mean + deviation * torch.randn(n, D, generator=torch.Generator().manual_seed(seed))


def test_identical_sets_have_no_distance():
    features = gaussian(500, 0)
    assert fid(features, features) == pytest.approx(0, abs=1e-6)
    assert kid(features, features, subset_size=500) == pytest.approx(0, abs=0.05)


def test_fid_of_shifted_and_stretched_gaussians_is_the_analytic_one():
    real, generated = gaussian(40_000, 1), gaussian(40_000, 2, MEAN, DEVIATION)
    # |m1 - m2|² + Tr(C1 + C2 - 2 (C1 C2)^½), by dimension
    assert fid(real, generated) == pytest.approx(D * (MEAN**2 + (1 - DEVIATION) ** 2), rel=0.02)


def test_kid_grows_with_the_shift_and_is_unbiased():
    real = gaussian(600, 3)
    same, near, far = (kid(real, gaussian(600, 4, shift), subsets=20, subset_size=200) for shift in (0.0, 0.3, 1.0))
    assert abs(same) < 0.02
    assert 0.02 < near < far


def test_kid_is_reproducible_and_leaves_the_global_random_state_alone():
    real, generated = gaussian(300, 5), gaussian(300, 6)
    state = torch.get_rng_state()
    first = kid(real, generated, subsets=5, subset_size=50)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert kid(real, generated, subsets=5, subset_size=50) == first


def test_inception_score_counts_classes():
    confident = 50 * torch.eye(7).repeat(40, 1)
    assert inception_score(confident, splits=1) == pytest.approx(7)
    assert inception_score(confident) < 7  # splits of 28 images do not hold all classes equally often
    assert inception_score(torch.zeros(280, 7)) == pytest.approx(1)
    assert inception_score(confident[:1].repeat(280, 1)) == pytest.approx(1)


def test_inception_weights_are_never_downloaded(tmp_path):
    with pytest.raises(FileNotFoundError, match="torch-fidelity"):
        inception_features(tmp_path / "none.pth")


class Payload:
    def __reduce__(self):
        return math.sqrt, (4.0,)


def test_inception_weights_that_would_run_code_are_refused(tmp_path):
    torch.save({"weight": Payload()}, tmp_path / "evil.pth")
    with pytest.raises(pickle.UnpicklingError):
        inception_features(tmp_path / "evil.pth")


def test_inception_weights_on_disk_are_loaded(tmp_path, monkeypatch):
    path = tmp_path / "weights-inception.pth"
    with monkeypatch.context() as patch:  # the network without its file, so that a file can be written
        patch.setattr(torch, "load", lambda *a, **k: {})
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *a, **k: None)
        network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path="none")
    torch.save(network.state_dict(), path)
    features = inception_features(path)
    faces = Faces(torch.rand(4, 3, 48, 48) * 2 - 1)
    assert features(faces).shape == (4, 2048)
    assert torch.equal(features(faces), features(faces))
    assert not torch.equal(features(faces[:1]), features(faces[1:2]))
