"""Recipes: inputs are declared by signature, and nothing proves itself."""

import types

import pytest

from darkmarket_estimates.errors import DataError
from darkmarket_estimates.published.figures import read_figure
from darkmarket_estimates.published.recipe import Recipe, Unavailable, ancestry
from darkmarket_estimates.published.rounding import Rounded

HEAD = {"scope": "all", "period": "2016", "markets": "one", "currency": "USD"}


def figures(**printed):
    made = {}
    for key, value in printed.items():
        entry = {"what": key, "printed": "1", "unit": "USD", "source": "page 1", "tag": "R"}
        entry |= value if isinstance(value, dict) else {"printed": value}
        made[key] = read_figure("s", key, entry, HEAD, fact=entry["tag"] != "M")
    return made


def status(recipe, made):
    return {row.figure: row.status for row in recipe.run(made, {}).rows}


def test_an_input_can_be_consistent_at_best():
    recipe = Recipe("s")

    @recipe.compare("b", "forwards")
    def forwards(a, factor):
        return a * factor

    @recipe.compare("a", "and back again")
    def back(a, factor):
        return (a * factor) / factor

    @recipe.compare("a", "through a step")
    def through(forwards, factor):
        return forwards / factor

    assert status(recipe, figures(a="10", factor="2", b="20")) == {
        "forwards": "reproduced", "and back again": "consistent", "through a step": "consistent"}
    assert recipe.inputs("through") == ("a", "factor")


def test_a_figure_that_inverts_to_an_input_can_be_consistent_at_best():
    made = figures(a="10", b="20", ratio={"printed": "2", "tag": "D", "derived_from": ["a", "b"]})
    recipe = Recipe("s")

    @recipe.compare("b", "inverted")
    def inverted(a, ratio):
        return a * ratio

    @recipe.compare("ratio", "again")
    def again(a, b):
        return b / a

    assert status(recipe, made) == {"inverted": "consistent", "again": "consistent"}


def test_one_print_beside_another_is_not_reproduced():
    recipe = Recipe("s")

    @recipe.compare("b", "the same")
    def same(a):
        return a

    @recipe.compare("b", "computed")
    def computed(a):
        return a * 1

    assert status(recipe, figures(a="7.8", b="8")) == {"the same": "consistent", "computed": "reproduced"}
    assert status(recipe, figures(a="7.1", b="8")) == {"the same": "conflict", "computed": "conflict"}


def test_a_file_is_an_input_too():
    recipe = Recipe("s")

    @recipe.compare("printed", "independent", data="file.csv")
    def independent():
        return Rounded.exact(5)

    @recipe.compare("own", "from the same file", data="file.csv")
    def own_sum():
        return Rounded.exact(5)

    made = figures(printed="5", own={"printed": "5", "tag": "D", "derived_from": ["data:file.csv"]})
    assert status(recipe, made) == {"independent": "reproduced", "from the same file": "consistent"}
    with pytest.raises(DataError, match="declares no inputs"):
        recipe.compare("own", "nothing")(lambda: Rounded.exact(5))


def test_steps_that_cannot_be_computed():
    recipe = Recipe("s")

    @recipe.compare("a", "absent", data="x")
    def absent():
        raise Unavailable("the file is not here")

    @recipe.compare("b", "follows from it")
    def follows(absent):
        return absent

    @recipe.step("rate")
    def rate(a, b):
        return a & b

    @recipe.compare("b", "needs the rate")
    def needs(rate):
        return rate

    result = recipe.run(figures(a="1", b="3"), {"gap": {"what": "a table", "unit": "USD", "needs": "was not printed"}})
    assert [(r.figure, r.status) for r in result.rows] == [
        ("absent", "inputs unpublished"), ("follows from it", "inputs unpublished"), ("needs the rate", "conflict"),
        ("a table", "inputs unpublished")]
    assert "not here" in result.rows[1].note and "no number in common" in result.rows[2].note
    assert result.rows[2].ours is None and result.counts["conflict"] == 1


def test_memory_is_no_input_and_no_target():
    made = figures(a="1", m={"printed": "1", "tag": "M"})
    used = Recipe("s")

    @used.compare("a", "from memory")
    def from_memory(m):
        return m

    against = Recipe("s")

    @against.compare("m", "against memory")
    def against_memory(a):
        return a

    for recipe in (used, against):
        with pytest.raises(DataError, match="not verified"):
            recipe.run(made, {})


def test_mistakes_of_a_recipe():
    recipe = Recipe("s")

    @recipe.compare("a", "one")
    def one(b):
        return b

    with pytest.raises(DataError, match="does not have"):
        recipe.run(figures(a="1"), {})
    with pytest.raises(DataError, match="two steps of one name"):
        recipe.compare("a", "again")(types.FunctionType(one.__code__, {}, "one"))
    with pytest.raises(DataError, match="name of a figure"):
        recipe.run(figures(a="1", b="1", one="1"), {})


def test_explanations_join_the_gap():
    recipe = Recipe("s")
    recipe.explain("gap")(lambda: "the library says no")
    row = recipe.run({}, {"gap": {"what": "a", "unit": "b", "needs": "c"}}).rows[0]
    assert row.note == "c; the library says no"
    with pytest.raises(DataError, match="explains a gap"):
        recipe.run({}, {})


def test_ancestry_follows_derivations():
    made = figures(a="1", b={"tag": "D", "derived_from": ["a"]}, c={"tag": "D", "derived_from": ["b", "t.x"]})
    assert ancestry("s.c", made) == {"s.a", "s.b", "s.c", "t.x"}
