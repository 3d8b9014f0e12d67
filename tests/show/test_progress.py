import pytest
import torch

from facekit.show import History, live
from facekit.show.progress import running_mean
from facekit.training.records import Record


def records(n: int):
    for step in range(1, n + 1):
        yield Record(
            step=step,
            total=n,
            epoch=0,
            scalars={"loss/classifier": 1 / step, "accuracy": step / n},
            learning_rates={},
            grad_norms={},
            seconds=0.01,
            system=None,
        )


class Page:
    """Stands in for a notebook: records the first display and its replacements."""

    def __init__(self):
        self.shown, self.ids = [], 0

    def display(self, figure, display_id):
        self.ids += 1
        self.shown.append(figure)
        return self

    def update(self, figure):
        self.shown.append(figure)


@pytest.fixture
def page(monkeypatch):
    page = Page()
    monkeypatch.setattr("facekit.show.progress.get_ipython", lambda: page)
    monkeypatch.setattr("facekit.show.progress.display", page.display)
    monkeypatch.setattr("facekit.show.progress.attended", lambda: True)
    return page


def test_every_record_is_kept(page):
    history = live(records(5))
    assert history.steps["accuracy"] == [1, 2, 3, 4, 5]
    assert history.values["loss/classifier"] == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    assert history.last("accuracy", over=2) == pytest.approx(0.9)


def test_only_the_named_curves_are_kept(page):
    history = live(records(5), curves=["accuracy"])
    assert history.values.keys() == {"accuracy"}
    assert [axes.get_title() for axes in page.shown[-1].axes] == ["accuracy"]


def test_a_short_run_leaves_one_figure(page):
    live(records(30))
    assert len(page.shown) == 1
    assert "step 30 of 30" in page.shown[0].get_suptitle()


def test_a_long_run_replaces_its_figure_in_place(page, monkeypatch):
    monkeypatch.setattr("facekit.show.progress._PAUSE", 0.0)
    monkeypatch.setattr("facekit.show.progress._TRAINING_SHARE", 0.0)
    live(records(4))
    assert page.ids == 1
    assert [figure.get_suptitle() for figure in page.shown] == [f"step {i} of 4" for i in (1, 2, 3, 4)]


def test_where_a_program_executes_the_notebook_only_the_last_figure_is_drawn(page, monkeypatch):
    monkeypatch.setattr("facekit.show.progress._PAUSE", 0.0)
    monkeypatch.setattr("facekit.show.progress.attended", lambda: False)
    live(records(4))
    assert [figure.get_suptitle() for figure in page.shown] == ["step 4 of 4"]


def test_a_slow_plot_does_not_slow_down_the_loop(page, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("facekit.show.progress.time.monotonic", lambda: clock[0])

    def steps():
        for record in records(100):
            clock[0] += 0.5  # a step takes half a second
            yield record

    def slow_sample(record):
        clock[0] += 3.0
        return torch.zeros(1, 3, 8, 8)

    live(steps(), sample=slow_sample)
    assert len(page.shown) == 6  # after 1 s, then every 4 * 3 s of training, and at the end


def test_outside_a_notebook_nothing_is_printed(capsys):
    live(records(3))
    assert capsys.readouterr() == ("", "")


def test_samples_belong_to_the_latest_record(page):
    steps = []

    def sample(record):
        steps.append(record.step)
        return torch.zeros(2, 3, 8, 8)

    live(records(7), sample=sample)
    assert steps == [7]
    assert len(page.shown[0].get_axes()) == 3  # two curves and the images


def test_a_loop_without_records_is_an_error():
    with pytest.raises(ValueError, match="no step left"):
        live(records(0))


def test_an_unknown_name_is_refused():
    with pytest.raises(KeyError):
        History().last("loss")


def test_the_running_mean_over_one_value_is_the_values():
    assert running_mean([3.0, 1.0, 2.0], 1) == [3.0, 1.0, 2.0]
    assert running_mean([3.0, 1.0, 2.0], 9) == [3.0, 2.0, 2.0]
