"""Templates escape every value, inline their style sheets and refuse names that they do not know."""

from pathlib import Path

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from cxr_core.presentation.html import CONTENT_SECURITY_POLICY, TableCell, render_template

PAGE = """{% extends "base.html.j2" %}
{% from "macros.html.j2" import data_table, facts_list %}
{% block title %}{{ name }}{% endblock %}
{% block style %}{{ inline_css("own.css") }}{{ inline_css("base.css") }}{% endblock %}
{% block body %}
<p title="{{ name }}">{{ text }}</p>
{{ data_table(["", "Value"], rows, "wide") }}
{{ facts_list(facts) }}
{% endblock %}
"""
VALUES = {
    "name": 'a "film" & more',
    "text": "b",
    "rows": [["first", "1"], ["second", TableCell("none", "quiet", columns=2)]],
    "facts": [("Terms", "CC0"), ("Empty", "")],
}


@pytest.fixture
def template(tmp_path: Path) -> Path:
    (tmp_path / "own.css").write_text("h1 > b { color: #123456; }\n", encoding="utf-8")
    path = tmp_path / "page.html.j2"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_the_base_page_carries_policy_title_and_styles(template):
    page = render_template(template, **VALUES)
    assert page.startswith("<!doctype html>")
    assert f'content="{CONTENT_SECURITY_POLICY}"' in page
    assert "<title>a &#34;film&#34; &amp; more</title>" in page
    assert "h1 > b { color: #123456; }" in page
    assert "prefers-color-scheme: dark" in page


def test_values_are_escaped_and_unprintable_characters_replaced(template):
    hostile = "<script>alert('x')</script>\u202egnp\udcff\n"
    page = render_template(template, **VALUES | {"name": hostile, "text": hostile})
    assert "<script>" not in page
    escaped = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;\ufffdgnp\ufffd\ufffd"
    assert f'<p title="{escaped}">{escaped}</p>' in page
    page.encode("utf-8")


def test_markup_of_the_program_itself_is_kept(template):
    page = render_template(template, **VALUES | {"text": Markup("<svg></svg>")})
    assert '<p title="a &#34;film&#34; &amp; more"><svg></svg></p>' in page


def test_tables_and_lists_of_facts(template):
    page = render_template(template, **VALUES)
    assert '<table class="wide"><thead><tr><th></th><th>Value</th></tr></thead>' in page
    assert '<tr><th scope="row">first</th><td>1</td></tr>' in page
    assert '<td colspan="2" class="quiet">none</td>' in page
    assert "<dl><div><dt>Terms</dt><dd>CC0</dd></div></dl>" in page


def test_a_missing_value_is_an_error(template):
    with pytest.raises(UndefinedError, match="facts"):
        render_template(template, **{key: VALUES[key] for key in ("name", "text", "rows")})
