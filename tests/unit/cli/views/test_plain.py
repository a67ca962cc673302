import pytest

from cli.views.plain import plain, plain_lines


def test_what_commands_a_terminal_is_written_out() -> None:
    assert plain("a\x1b[31m\r\x9b\x7f\x00") == "a\\x1b[31m\\x0d\\x9b\\x7f\\x00"
    assert plain_lines("a\x1b[31m\r\x9b\x7f\x00") == "a\\x1b[31m\\x0d\\x9b\\x7f\\x00"


def test_a_text_is_one_line_unless_it_is_a_block() -> None:
    assert plain("a\tb\nc") == "a\\tb\\nc"
    assert plain_lines("a\tb\nc") == "a\tb\nc"


@pytest.mark.parametrize("code", [*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
def test_a_mark_that_turns_the_text_around_is_written_out(code: int) -> None:
    shown = f"ok\\u{code:04x}ko"

    assert (plain(f"ok{chr(code)}ko"), plain_lines(f"ok{chr(code)}ko")) == (shown, shown)


def test_letters_of_all_languages_stay() -> None:
    text = "Grüße, 你好, שלום \N{NO-BREAK SPACE}—"

    assert (plain(text), plain_lines(text)) == (text, text)
