import pytest

from facekit.batch.parameters import BadPlan, Parameter, parameters_of, read_grid


def test_parameters_of_a_notebook(notebook):
    path = notebook("01_a", parameters='RATE = 1e-3  # of Adam\nNAMES = ["a"]  # listed\nFREE = None  # anything\n')
    found = parameters_of(path)
    assert list(found) == ["RATE", "NAMES", "FREE"]
    assert found["RATE"] == Parameter("RATE", 1e-3, True, "of Adam")
    assert found["NAMES"].default == ["a"]
    assert not found["FREE"].typed


def test_a_notebook_without_a_parameters_cell_has_none(notebook):
    assert parameters_of(notebook("01_a", parameters=None)) == {}


@pytest.mark.parametrize(
    ("default", "given", "expected"),
    [
        (0, "7", 7),
        (0, 7, 7),
        (0.1, "1e-3", 1e-3),
        (0.1, 2, 2.0),
        (True, "false", False),
        (True, "False", False),
        ("smoke", "7", "7"),
        ([1], "[1, 2]", [1, 2]),
    ],
)
def test_values_are_converted_to_the_parameters_type(default, given, expected):
    value = Parameter("X", default, True).accept(given)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(("default", "given"), [(0, "many"), (0, 1.5), (0, True), ("a", 1), (True, 1), (0.1, "high")])
def test_values_of_another_type_are_refused(default, given):
    with pytest.raises(BadPlan, match=r"X = .* is of type \w+; it takes"):
        Parameter("X", default, True).accept(given)


def test_values_outside_the_choices_are_refused():
    profile = Parameter("PROFILE", "smoke", True, "one of smoke, laptop, or gpu; how long")
    assert profile.choices == ("smoke", "laptop", "gpu")
    assert profile.accept("gpu") == "gpu"
    with pytest.raises(BadPlan, match="PROFILE = 'smok' is not one of smoke, laptop, gpu"):
        profile.accept("smok")


def test_a_comment_without_a_list_of_values_restricts_nothing():
    assert Parameter("DATASET", "synthetic", True, "one of the datasets: see 01").choices == ()


@pytest.mark.parametrize("flag", ["SEED", "=3"])
def test_options_without_a_value_are_refused(flag):
    with pytest.raises(BadPlan, match="NAME=value"):
        read_grid([flag])
