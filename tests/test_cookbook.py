"""The page of recipes is what their files say, and every recipe has its tests."""

from collections import Counter
from pathlib import Path

import pytest

from cookbook import RECIPES, ROOT, module

TESTS = [*Path(__file__).parent.glob("test_cookbook_*.py")]
NAMES = sorted(path.stem for path in RECIPES.glob("*.py"))


@pytest.fixture
def generator():
    return module(ROOT / "docs" / "cookbook.py")


def test_the_page_is_what_the_recipes_say(generator):
    page = generator.PAGE.read_text(encoding="utf-8")
    assert page == generator.page(), "python docs/cookbook.py writes it anew"


def test_every_recipe_is_in_the_page_once(generator):
    listed = Counter(name for names in generator.NEEDS.values() for name in names)
    assert listed == Counter(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_has_a_title_a_text_and_a_job_to_copy(name, generator):
    one = generator.recipe(name)
    assert generator.MARK in (RECIPES / f"{name}.py").read_text(encoding="utf-8")
    assert "import rowferry as etl" in one.code
    assert "rowferry.testing" not in one.code
    assert 5 <= len(one.text.splitlines()) <= 30
    assert "\n" not in one.title


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_is_run_as_a_program_and_its_job_is_called(name):
    tests = "".join(path.read_text(encoding="utf-8") for path in TESTS)
    assert f'run("{name}"' in tests
    assert f'recipe("{name}")' in tests
