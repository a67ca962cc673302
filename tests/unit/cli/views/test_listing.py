import io

from rich.console import Console

from cli.views.listing import Listing

ID = "eval_run_0123456789abcdef0123456789abcdef"
LONG = "word " * 30 + "\nend\tof it"
LISTING = Listing(
    names=("id", "status", "output"), rows=[(ID, "[done]", LONG)], glance=("output",), title="Runs"
)


def printed(listing: Listing, *, width: int, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=terminal, color_system=None, highlight=False
    )
    listing.print_to(console)
    return out.getvalue()


def test_a_pipe_gets_one_line_a_row_with_tabs_and_nothing_cut() -> None:
    lines = printed(LISTING, width=20, terminal=False).splitlines()

    whole = " ".join(LONG.split())
    assert lines == ["id\tstatus\toutput", f"{ID}\t[done]\t{whole}"]


def test_a_terminal_gets_a_table_with_the_beginning_of_texts() -> None:
    text = printed(LISTING, width=160, terminal=True)

    assert text.splitlines()[0].strip() == "Runs"
    assert f"│ {ID} │ [done] │ word word" in text
    assert "…" in text
    assert "end of it" not in text


def test_an_id_is_in_one_piece_however_narrow_the_terminal_is() -> None:
    for width in (50, 70, 90, 120):
        assert ID in printed(LISTING, width=width, terminal=True)


def test_where_columns_have_no_room_each_row_is_a_record() -> None:
    text = printed(LISTING, width=50, terminal=True)

    assert "│" not in text
    assert f"id      {ID}" in text
    assert "status  [done]" in text


def test_a_table_parts_groups() -> None:
    rows = [("a", "1"), ("a", "2"), ("b", "3")]
    grouped = Listing(names=("task", "n"), rows=rows, section_by="task")

    assert printed(grouped, width=80, terminal=True).count("├") == 1


def test_an_empty_listing_is_its_names() -> None:
    empty = Listing(names=("id", "name"), rows=[])

    assert printed(empty, width=10, terminal=False) == "id\tname\n"
    assert "id" in printed(empty, width=10, terminal=True)


def test_a_cell_gives_the_terminal_no_commands() -> None:
    evil = "\x1b]0;gone\x07"
    listing = Listing(names=("id", "output"), rows=[(evil, evil)], glance=("output",))

    for width in (160, 10):
        text = printed(listing, width=width, terminal=True)

        assert not set(text) & set("\x1b\x07")
        assert "\\x07" in text


def test_a_cell_makes_no_row_and_no_field_of_its_own() -> None:
    listing = Listing(names=("id", "name"), rows=[("1", "a\nid    2\u202e")])

    for width in (160, 10):
        text = printed(listing, width=width, terminal=True)

        assert "a\\nid" in text
        assert "\\u202e" in text
        assert not any(line.startswith("id    2") for line in text.splitlines())
    assert printed(listing, width=10, terminal=False) == "id\tname\n1\ta id 2\\u202e\n"
