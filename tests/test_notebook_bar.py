"""The bar in a notebook: what is shown below the cell, by a stand-in of IPython's display."""

import sys
import types

import pytest

from rowferry import copy_to_api, post_rows
from rowferry.observe import NotebookBar
from rowferry.records import Progress
from rowferry.testing import Answer, FakeApi


def event(seconds=0.0, **more):
    figures = {"read": 0, "records": 0, "delivered": 0, "dead": 0, "in_flight": 0, "retries": 0}
    return Progress(**figures | {"total": None} | more, seconds=seconds)


class Display:
    """What is shown below a cell, in the order of showing."""

    def __init__(self):
        self.made, self.shown = 0, []

    def __call__(self, data, *, raw, display_id):
        assert raw
        assert display_id
        self.made += 1
        self.update(data, raw=raw)
        return self

    def update(self, data, *, raw):
        assert raw
        self.shown.append(data["text/plain"])


@pytest.fixture
def display(monkeypatch):
    """Let it look as in the kernel of a notebook."""
    display = Display()
    shell = types.SimpleNamespace(kernel=object())
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    display.shell = shell
    return display


def test_in_a_notebook_the_last_figures_stay_below_the_cell(display):
    with FakeApi(Answer(delay=0.01)) as api:
        post_rows([{"id": number} for number in range(300)], api.url, progress=True)
    assert display.made == 1
    assert display.shown[-1].startswith("████████████████████ 100%  300 delivered, ")


def test_in_a_notebook_a_query_has_figures_and_a_full_bar_at_the_end(display, sqlite):
    with FakeApi() as api:
        copy_to_api("SELECT 1 AS id UNION SELECT 2", sqlite, api.url, progress=True)
    assert display.shown[-1].startswith("████████████████████ 100%  2 delivered, ")


def test_in_the_ipython_of_a_terminal_nothing_is_displayed(display):
    del display.shell.kernel
    with FakeApi() as api:
        post_rows([{"id": 1}], api.url, progress=True)
    assert display.shown == []


def test_without_ipython_nothing_of_it_is_asked_for():
    assert "IPython" not in sys.modules
    with FakeApi() as api:
        post_rows([{"id": 1}], api.url, progress=True)
    assert "IPython" not in sys.modules


@pytest.mark.parametrize(
    ("figures", "begins"),
    [
        ({"read": 50, "records": 50, "delivered": 25}, "25 delivered"),
        ({"read": 50, "records": 50, "delivered": 25, "total": 100}, "█████░░░░░░░░░░░░░░░  25%  "),
        ({"read": 9, "records": 0, "total": 9, "ended": True}, "████████████████████ 100%  "),
        ({"read": 9, "records": 18, "delivered": 12, "total": 9}, "████████████████████ 100%  "),
        (  # cut short: all that was read is delivered
            {"read": 50, "records": 50, "delivered": 50, "total": 100, "ended": True},
            "██████████░░░░░░░░░░  50%  ",
        ),
        ({"read": 50, "records": 50, "dead": 50, "ended": True}, "████████████████████ 100%  "),
    ],
)
def test_a_bar_shows_how_much_of_what_is_known_is_settled(display, figures, begins):
    NotebookBar()(event(**figures))
    assert display.shown[0].startswith(begins)


def test_it_is_drawn_four_times_a_second_at_most_and_always_at_the_end(display):
    bar = NotebookBar()
    for tenth in range(11):
        bar(event(tenth / 10, delivered=tenth))
    bar(event(1.0, delivered=11, ended=True, records=12))
    assert [int(text.split()[0]) for text in display.shown] == [0, 3, 6, 9, 11]
