from dance_models.report.page import Page
from dance_models.report_tables.table import Cell, Table


def test_text_is_escaped_and_nothing_is_loaded_from_elsewhere() -> None:
    page = Page("a <b> & c")
    page.paragraph("<script>x</script>")
    page.picture(b"png", "a picture")
    text = page.render()
    assert "<script" not in text
    assert "a &lt;b&gt; &amp; c" in text
    assert "http" not in text


def test_every_part_is_on_the_page_in_order() -> None:
    page = Page("title")
    page.facts({"corpus": "<demo>"})
    page.heading("first")
    page.terms({"PCK": "a <share>"})
    page.bullets(["one", "two"])
    table = Table("t", ("method", "value"), ((Cell("a"), Cell("1", win=True)),), ("a note",))
    page.table(table)
    page.side_by_side(table, Table.of_text("u", ("x",), [("2",)]))
    page.paragraph("last", note=True)
    body = page.render().split("<body>")[1]
    grid = (
        "<table><thead><tr><th>method</th><th>value</th></tr></thead><tbody>"
        "<tr><td>a</td><td class=win>1</td></tr></tbody></table>"
    )
    other = "<table><thead><tr><th>x</th></tr></thead><tbody><tr><td>2</td></tr></tbody></table>"
    note = '<p class="note">a note</p>'
    assert body == (
        '<h1>title</h1><nav aria-label="Contents"><ol><li><a href="#section-1">first</a></li></ol>'
        "</nav><table><thead><tr><th></th><th></th></tr></thead><tbody>"
        "<tr><td>corpus</td><td>&lt;demo&gt;</td></tr></tbody></table>"
        '<h2 id="section-1">first</h2>'
        "<dl><dt>PCK</dt><dd>a &lt;share&gt;</dd></dl><ul><li>one</li><li>two</li></ul>"
        f'<h3>t</h3><div class="wide">{grid}</div>{note}'
        f'<div class="pair wide"><div><h3>t</h3>{grid}{note}</div>'
        f"<div><h3>u</h3>{other}</div></div>"
        '<p class="note">last</p></body></html>\n'
    )


def test_each_heading_of_the_contents_is_on_the_page_once() -> None:
    page = Page("title")
    for text in ("one", "one", "two"):
        page.heading(text)
        page.heading("below", 3)
    text = page.render()
    anchors = [anchor for anchor, _ in page.contents()]
    assert [name for _, name in page.contents()] == ["one", "one", "two"]
    assert all(text.count(f'id="{anchor}"') == 1 for anchor in anchors)
