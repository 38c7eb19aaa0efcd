"""Links within the documents lead somewhere, past the `#` too: on GitHub and in MkDocs."""

import re
import unicodedata

import pytest

import documents

LINK = re.compile(r"!?\[(?:[^\][]|\[[^\]]*\])*\]\(([^)\s]+)(?: \"[^\"]*\")?\)")
NAMED_LINK = re.compile(r"^\[[^\]]+\]: (\S+)", re.MULTILINE)


def links(page):
    """Give what the links of a page lead to, within the documents."""
    text = re.sub(r"`[^`]+`", "code", documents.prose(documents.text_of(page)))
    found = LINK.findall(text) + NAMED_LINK.findall(text)
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def headings(page):
    """Give the headings of a page, as they are read: without backticks, links and emphasis."""
    text = documents.prose(documents.text_of(page))
    for heading in re.findall(r"^#+ +(.+?)#* *$", text, re.MULTILINE):
        yield re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")


def of_github(heading):
    """Give a heading's anchor on GitHub, if it is the first of its name."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def of_mkdocs(heading):
    """
    Give the same in a site of MkDocs.

    Source: markdown.extensions.toc.slugify
    """
    ascii_only = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", ascii_only).strip().lower())


@pytest.mark.parametrize("page", documents.PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_are_there(page):
    missing = [
        target
        for target in links(page)
        if not (page.parent / target.partition("#")[0]).resolve().exists()
    ]
    assert missing == []


@pytest.mark.parametrize("anchor_of", [of_github, of_mkdocs])
@pytest.mark.parametrize("page", documents.PAGES, ids=lambda page: page.name)
def test_anchors_lead_to_headings(page, anchor_of):
    missing = []
    for target in links(page):
        file, _, anchor = target.partition("#")
        there = page.parent / file if file else page
        if anchor and anchor not in map(anchor_of, headings(there)):
            missing.append(target)
    assert missing == []


@pytest.mark.parametrize("page", documents.PAGES, ids=lambda page: page.name)
def test_no_two_headings_of_a_page_have_one_anchor(page):
    linked = {target.partition("#")[2] for page in documents.PAGES for target in links(page)} - {""}
    anchors = [of_github(heading) for heading in headings(page)]
    assert [anchor for anchor in linked if anchors.count(anchor) > 1] == []


@pytest.mark.parametrize(
    ("heading", "github", "mkdocs"),
    [
        ("Exit codes", "exit-codes", "exit-codes"),
        ("Sent again: when, and how often", *["sent-again-when-and-how-often"] * 2),
        ("psycopg 3 in place of psycopg2", *["psycopg-3-in-place-of-psycopg2"] * 2),
        ("Rows & columns", "rows--columns", "rows-columns"),
        ("Métrique", "métrique", "metrique"),
    ],
)
def test_anchors_are_made_as_there(heading, github, mkdocs):
    assert (of_github(heading), of_mkdocs(heading)) == (github, mkdocs)
