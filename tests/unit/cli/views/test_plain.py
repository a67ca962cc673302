from cli.views.plain import plain


def test_control_characters_are_written_out_and_lines_stay_lines() -> None:
    assert plain("a\tb\nc\x1b[31m\r\x9b\x7f\x00") == "a\tb\nc\\x1b[31m\\x0d\\x9b\\x7f\\x00"


def test_letters_of_all_languages_stay() -> None:
    text = "Grüße, 你好 \N{NO-BREAK SPACE}—"

    assert plain(text) == text
