"""The pictures of the page on performance: what they show is what was published."""

import json
import re
import sys
from pathlib import Path
from statistics import median
from xml.etree import ElementTree as ET

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import bars
import better
import plots
import report

HERE = Path(__file__).parents[1]
SVG = "{http://www.w3.org/2000/svg}"
PUBLISHED = json.loads((HERE / "benchmarks" / "published.json").read_text())
MANY = [("ours", "limit", "peer")[min(number, 2)] for number in range(12)]


def run(peer, seconds, *, kind="peer", failure=None, **counted):
    figures = {"rows": 1000, "seconds": seconds, "cpu": seconds / 2, "rss_mib": 40.0}
    told = {"peer": peer, "kind": kind, "failure": failure, "counted": counted, "round": 1}
    return figures | told


def scenario(name, *runs):
    return {"name": name, "shows": "it <shows> & tells", "runs": runs}


def results(*scenarios):
    return {"scenarios": scenarios}


def drawn(chart):
    return ET.fromstring(bars.drawn(chart))


def texts(svg, kind):
    return [text.text for text in svg.iter(f"{SVG}text") if kind in text.get("class").split()]


def rects(svg):
    return [rect for rect in svg.iter(f"{SVG}rect") if "bar" in rect.get("class").split()]


def chart_of(name, *runs):
    return plots.charts(results(scenario(name, *runs)))[0]


def published(name):
    return next(each["runs"] for each in PUBLISHED["scenarios"] if each["name"] == name)


@pytest.mark.parametrize("chart", plots.charts(PUBLISHED), ids=lambda chart: chart.file)
def test_each_picture_has_one_bar_a_peer_and_a_label_a_bar(chart):
    svg = drawn(chart)
    count = sum(len(group.bars) for group in chart.groups)
    assert len(rects(svg)) == len(texts(svg, "value")) == count


@pytest.mark.parametrize("figure", [plots.RATE, plots.CPU], ids=lambda figure: figure.name)
@pytest.mark.parametrize("name", ["S1", "S2", "S3"])
def test_labels_are_the_medians_of_what_was_published_the_best_first(name, figure):
    peers = {}
    for one in published(name):
        peers.setdefault(one["peer"], []).append(figure.of(one))
    ordered = sorted(map(median, peers.values()), reverse=figure.more)
    wanted = f"performance-{name.lower()}-{figure.name}.svg"
    chart = next(each for each in plots.charts(PUBLISHED) if each.file == wanted)
    svg = drawn(chart)
    assert texts(svg, "value") == [figure.form.format(value) for value in ordered]
    assert sorted(texts(svg, "name")) == sorted(peers)


def test_the_pictures_in_the_docs_are_those_of_what_was_published():
    there = {path.name: path.read_text() for path in (HERE / "docs/pictures").glob("perf*.svg")}
    assert there == {chart.file: bars.drawn(chart) for chart in plots.charts(PUBLISHED)}


def test_the_page_shows_each_picture_once_and_says_what_is_in_it():
    page = (HERE / "docs" / "performance.md").read_text()
    for chart in plots.charts(PUBLISHED):
        assert page.count(f"![{chart.alt}](pictures/{chart.file})") == 1


def test_bars_are_as_long_as_their_medians():
    runs = [run("a", seconds) for seconds in (1, 2, 4)]
    svg = drawn(chart_of("S1", *runs, run("b", 4)))
    first, second = (float(rect.get("width")) for rect in rects(svg))
    assert first / second == pytest.approx(2, rel=0.01)
    assert len([path for path in svg.iter(f"{SVG}path") if path.get("class") == "span"]) == 1


def test_twelve_peers_with_long_names_have_their_place():
    name = "a peer, whose name is longer than a line of a picture can be, number"
    runs = [run(f"{name} {at}", at + 1, kind=kind) for at, kind in enumerate(MANY)]
    svg = drawn(chart_of("S2", *runs))
    places = [int(rect.get("y")) for rect in rects(svg)]
    assert len(places) == 12
    assert places == sorted(set(places))
    height = int(svg.get("height"))
    for rect in rects(svg):
        assert int(rect.get("y")) + bars.BAR < height
    for text in svg.iter(f"{SVG}text"):
        assert len(text.text) <= max(bars.LETTERS.values())


def test_all_of_a_picture_is_inside_its_frame():
    svg = drawn(chart_of("S3", run("a", 0.001), run("a", 0.00001), run("b", 9000)))
    for text in svg.iter(f"{SVG}text"):
        if "value" in text.get("class"):
            assert float(text.get("x")) + bars.LETTER * len(text.text) <= bars.WIDTH


def test_what_failed_is_not_drawn():
    chart = chart_of("S1", run("a", 1), run("b", 1, failure="it broke"))
    assert [bar.name for bar in chart.groups[0].bars] == ["a"]
    assert plots.charts(results(scenario("S1", run("b", 1, failure="it broke")))) == []


def test_the_alternative_text_compares_ours_to_the_best_peer():
    runs = [run("ours", 1, kind="ours"), run("slow", 8), run("quick", 4)]
    assert chart_of("S1", *runs, run("most", 0.5, kind="limit")).alt == (
        "S1, rows a second: ours 1,000; 4.00 times the best peer, quick, 250; most 2,000."
    )


def test_an_outage_that_never_ended_has_no_length():
    runs = [
        run("rowferry, adaptive", 1, back_after=0.5, in_outage=3),
        run("rowferry, fixed 64", 1, back_after=-1.0, in_outage=9),
    ]
    svg = drawn(chart_of("outage 503", *runs))
    assert texts(svg, "value") == ["0.5", "never", "3", "9"]
    assert float(rects(svg)[1].get("width")) == 0


def test_adaptive_numbers_have_a_scale_for_each_api():
    made = plots.charts(
        results(
            scenario("adaptive steady", run("rowferry, adaptive", 1), run("rowferry, fixed 64", 2)),
            scenario("adaptive refusing", run("rowferry, adaptive", 100)),
        )
    )
    widths = [float(rect.get("width")) for rect in rects(drawn(made[0]))]
    assert widths[0] == pytest.approx(widths[2], rel=0.1)
    assert "steady: it <shows> & tells: rowferry, adaptive 1,000" in made[0].alt


def test_memory_is_drawn_by_the_number_of_rows():
    chart = chart_of("memory S2", run("rowferry, all rows", 1))
    assert [(bar.name, bar.label) for bar in chart.groups[0].bars] == [("S2, 1,000 rows", "40.0")]


def luminance(colour):
    """Give the relative luminance. Source: WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [bars.LIGHT, bars.DARK], ids=["light", "dark"])
def test_letters_and_bars_stand_out_from_their_panel(colours):
    for name in ("ink", "muted"):
        assert contrast(colours[name], colours["panel"]) >= 4.5
    for name in ("ours", "peer", "muted"):
        assert contrast(colours[name], colours["panel"]) >= 3


def test_a_picture_follows_what_the_reader_prefers_and_fetches_nothing():
    text = bars.drawn(chart_of("S1", run("a", 1)))
    light, _, dark = text.partition("@media (prefers-color-scheme: dark)")
    assert bars.LIGHT["panel"] in light
    assert bars.DARK["panel"] in dark
    assert not re.search(r"href|url\(|@import|<script", text)


def test_a_run_that_is_printed_has_no_pictures():
    assert "](pictures/" not in report.render(PUBLISHED)


def test_the_page_says_where_a_peer_is_better():
    ours = run("ours", 2, kind="ours")
    told = better.section(results(scenario("S1", ours, run("quick", 1), run("slow", 3))))
    assert told.splitlines()[2:] == [
        "* S1, rows a second: quick 1,000, for ours 500.",
        "* S1, µs of the client's CPU a row: quick 500.0, for ours 1,000.0.",
    ]
    limit = run("limit", 1, kind="limit") | {"rss_mib": None}
    assert better.section(results(scenario("S1", ours, limit, run("slow", 3)))) == better.NONE
    small = run("small", 3) | {"rss_mib": 10.0}
    assert "MiB of peak RSS: small 10.0, for ours 40.0" in better.section(
        results(scenario("S1", ours, small))
    )
