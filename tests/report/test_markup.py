from __future__ import annotations

from edgekit.report.markup import Html, element


def test_text_and_attributes_are_escaped() -> None:
    assert element("p", "<b> & 'x'", title='"><script>') == (
        '<p title="&quot;&gt;&lt;script&gt;">&lt;b&gt; &amp; &#x27;x&#x27;</p>'
    )


def test_markup_is_not_escaped_again() -> None:
    assert element("p", element("b", "a & b"), Html("<br>")) == "<p><b>a &amp; b</b><br></p>"


def test_an_underscore_at_the_end_of_an_attribute_is_dropped_and_others_become_hyphens() -> None:
    assert element("img", class_="small", aria_label="a") == '<img class="small" aria-label="a">'
