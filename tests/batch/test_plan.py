import nbformat
import pytest

from facekit.batch import plan as planning
from facekit.batch.notebooks import UnknownNotebook, find_notebooks
from facekit.batch.parameters import BadPlan
from facekit.batch.plan import Entry, plan_runs, read_plan


def ids(entries):
    return [run.id for run in plan_runs(entries)]


def test_notebooks_are_found_by_number_name_and_path(notebook):
    a, b = notebook("01_a"), notebook("02_b")
    folder = a.parent
    assert find_notebooks((), folder) == [a, b]
    assert find_notebooks([2, "01", "02_b"], folder) == [a, b]
    assert find_notebooks(["02_b.ipynb", str(a)], folder) == [a, b]
    with pytest.raises(UnknownNotebook, match=r"'03' names no notebook .* 01_a, 02_b"):
        find_notebooks(["03"], folder)


def test_a_grid_is_every_combination_once_and_defaults_are_not_in_the_names(notebook):
    grid = {"PROFILE": ["smoke", "laptop"], "SEED": ["0", "1", "1"]}
    assert ids([Entry((notebook("01_a"),), grid)]) == [
        "01_a",
        "01_a--PROFILE-laptop",
        "01_a--PROFILE-laptop--SEED-1",
        "01_a--SEED-1",
    ]


def test_values_that_are_no_valid_folder_names_still_give_different_folders(notebook):
    path = notebook("01_a", parameters='WHERE = "x"  # a place')
    names = ids([Entry((path,), {"WHERE": ["a/b", "a_b", "a b", "../../a"]})])
    assert len(set(names)) == 4
    assert all(name.replace("-", "").replace("_", "").replace(".", "").isalnum() for name in names)


def test_needed_notebooks_come_first_and_otherwise_numbers_decide(notebook):
    paths = (notebook("01_a", needs=["03_c"]), notebook("02_b"), notebook("03_c"), notebook("04_d"))
    assert ids([Entry(paths)]) == ["02_b", "03_c", "01_a", "04_d"]


def test_a_run_needs_the_runs_with_the_same_parameters(notebook):
    a, b = notebook("01_a"), notebook("02_b", needs=["01_a"])
    runs = {run.id: run.needs for run in plan_runs([Entry((a, b), {"SEED": [0, 1]})])}
    assert runs == {"01_a": (), "01_a--SEED-1": (), "02_b": ("01_a",), "02_b--SEED-1": ("01_a--SEED-1",)}


def test_needs_outside_the_plan_are_ignored(notebook):
    notebook("01_a")
    (run,) = plan_runs([Entry((notebook("02_b", needs=["01_a"]),))])
    assert run.needs == ()


def test_plans_that_cannot_be_executed_are_refused(notebook):
    a = notebook("01_a")
    with pytest.raises(BadPlan, match="01_a has no parameter SEEED; it has PROFILE, SEED"):
        plan_runs([Entry((a,), {"SEEED": [1]})])
    with pytest.raises(BadPlan, match="01_a: PROFILE = 'paper' is not one of smoke, laptop"):
        plan_runs([Entry((a,), {"PROFILE": ["smoke", "paper"]})])
    with pytest.raises(BadPlan, match="no cell tagged `parameters`"):
        plan_runs([Entry((notebook("02_b", parameters=None),), {"SEED": [1]})])
    with pytest.raises(BadPlan, match="03_c needs 09_x"):
        plan_runs([Entry((notebook("03_c", needs=["09_x"]),))])
    notebook("04_d", needs=["05_e"])
    with pytest.raises(BadPlan, match=r"in a circle: .*04_d"):
        plan_runs([Entry((a.with_stem("04_d"), notebook("05_e", needs=["04_d"])))])
    with pytest.raises(BadPlan, match="no run"):
        plan_runs([Entry((a,), {"SEED": []})])


def test_a_digest_changes_with_source_parameters_needs_and_library_but_not_with_outputs(notebook, monkeypatch):
    def digest(path, seed=0):
        return next(run.digest for run in plan_runs([Entry((a, path), {"SEED": [seed]})]) if run.notebook == path)

    a, b = notebook("01_a"), notebook("02_b", "print(1)", needs=["01_a"])
    first = digest(b)
    content = nbformat.read(b, as_version=4)
    content.cells[-1].outputs = [nbformat.v4.new_output("stream", text="1\n")]
    nbformat.write(content, b)
    assert digest(b) == first
    assert digest(b, seed=1) != first
    notebook("01_a", "changed = 1")
    needed = digest(b)
    assert needed != first
    notebook("02_b", "print(2)", needs=["01_a"])
    source = digest(b)
    assert source != needed
    monkeypatch.setattr(planning, "library_digest", lambda: "another library")
    assert digest(b) != source


def test_a_plan_in_a_file(notebook, tmp_path):
    a, b = notebook("01_a"), notebook("08_b")
    path = tmp_path / "grid.yaml"
    path.write_text(
        "name: two\nruns:\n  - notebooks: [01, 08]\n    parameters: {PROFILE: smoke, SEED: [0, 1]}\n  - {}\n"
    )
    name, entries = read_plan(path, a.parent)
    assert name == "two"
    assert entries == [Entry((a, b), {"PROFILE": ["smoke"], "SEED": [0, 1]}), Entry((a, b), {})]
    assert len(plan_runs(entries)) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runs: [{notebook: [1]}]", "'notebook'; known are notebooks, parameters"),
        ("run: []", "'run'; known are name, runs"),
        ("name: x", "no list `runs`"),
        ("runs: [{parameters: [SEED]}]", "must map names to values"),
        ("- 1", "must be a mapping"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_malformed_plan_is_refused(text, message, notebook, tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    with pytest.raises(BadPlan, match=message):
        read_plan(path, notebook("01_a").parent)


def test_a_missing_plan_is_refused(tmp_path):
    with pytest.raises(BadPlan, match="cannot be read"):
        read_plan(tmp_path / "none.yaml")
