"""docs/isa.md and docs/registers.md are what the definitions give."""

from pathlib import Path

from lutra.gen.doc_tables import isa_page, register_page, write_pages
from lutra.hw import isa

DOCS = Path(__file__).parents[2] / "docs"


def test_pages_are_up_to_date():
    hint = "run `make docs`"
    assert (DOCS / "isa.md").read_text() == isa_page(), hint
    assert (DOCS / "registers.md").read_text() == register_page(), hint


def test_every_field_and_error_is_documented():
    page = isa_page()
    for layout in isa.LAYOUTS.values():
        assert all(f"`{name}`" in page for name, _ in layout if name != "reserved")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for code in isa.ErrorCode:
        row = next(line for line in rows if line.startswith(f"| `{code.name}` |"))
        assert code == isa.ErrorCode.NONE or row.split("|")[3].strip(), f"{code.name} has no text"


def test_write_pages_leaves_equal_files_alone(tmp_path: Path):
    pages = write_pages(tmp_path)
    before = [page.stat().st_mtime_ns for page in pages]
    assert [page.stat().st_mtime_ns for page in write_pages(tmp_path)] == before
