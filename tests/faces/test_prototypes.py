import torch

from facekit.faces.action_units import ACTION_UNIT_COLUMNS, mirrored_columns, parse_facs
from facekit.faces.emotions import EMOTIONS
from facekit.faces.prototypes import PROTOTYPES, prototype_matrix


def test_prototypes():
    assert set(PROTOTYPES) == set(EMOTIONS)
    for codes in PROTOTYPES.values():
        for code in codes:
            assert parse_facs(code).max() <= 1
    matrix = prototype_matrix()
    assert matrix.shape == (8, 33)
    assert not matrix[EMOTIONS.index("neutral")].any()
    assert len({tuple(row.tolist()) for row in matrix}) == 8
    active = {name: {ACTION_UNIT_COLUMNS[c] for c in matrix[i].nonzero().flatten()} for i, name in enumerate(EMOTIONS)}
    # The units on which all tables of EMFACS agree.
    assert {"AU6L", "AU6R", "AU12L", "AU12R"} <= active["happy"]
    assert {"AU1L", "AU2L", "AU5L"} <= active["surprise"]
    assert {"AU1L", "AU4L", "AU15L"} <= active["sad"]
    assert {"AU4L", "AU5L", "AU7L"} <= active["angry"]
    assert active["disgust"] & {"AU9L", "AU10L"}
    assert {"AU1L", "AU2L", "AU4L", "AU5L", "AU20L"} <= active["fear"]
    # Contempt is the only asymmetric prototype.
    asymmetric = [
        name for name in EMOTIONS if not torch.equal(row := matrix[EMOTIONS.index(name)], row[mirrored_columns()])
    ]
    assert asymmetric == ["contempt"]
