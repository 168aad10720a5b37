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
        "<h1>title</h1><table><thead><tr><th></th><th></th></tr></thead><tbody>"
        "<tr><td>corpus</td><td>&lt;demo&gt;</td></tr></tbody></table>"
        "<h2>first</h2><ul><li>one</li><li>two</li></ul>"
        f'<h3>t</h3><div class="wide">{grid}</div>{note}'
        f'<div class="pair wide"><div><h3>t</h3>{grid}{note}</div>'
        f"<div><h3>u</h3>{other}</div></div>"
        '<p class="note">last</p></body></html>\n'
    )
