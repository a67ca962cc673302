"""Jinja templates that escape their sandbox or never stop, and patterns and programs that hurt their checker."""

# ruff: noqa: E501 - programs as text, about places in the jail

from attacks.attack import ACCEPTED, FOUND, PREPARED, ROW_FAILED, Attack, Check, Preparation


def _template(name: str, why: str, text: str, expected: str = ROW_FAILED) -> Attack:
    program = Preparation(task={"prompt_template": text})
    return Attack(name=name, why=why, program=program, expected=expected, wall_s=8.0)


def _checked(
    name: str,
    why: str,
    kind: str,
    source: str,
    *,
    expected: str = FOUND,
    also: str = "",
    because: str = "",
) -> Attack:
    return Attack(
        name=name,
        why=why,
        program=Check(kind=kind, source=source),
        expected=expected,
        also=also,
        because=because,
        wall_s=40.0,
    )


ATTACKS: tuple[Attack, ...] = (
    _template(
        "jinja_subclasses",
        "the classic way from a string to every class",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    ),
    _template(
        "jinja_globals",
        "functions know the modules they were made in",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    ),
    _template(
        "jinja_attr_filter",
        "attributes by a filter instead of a dot",
        "{{ (''|attr('__class__')|attr('mro')()) }}",
    ),
    _template(
        "jinja_map_attribute",
        "the same by the filter that maps",
        "{{ ['']|map(attribute='__class__')|list }}",
    ),
    _template(
        "jinja_format_string",
        "format looks attributes up by itself",
        "{{ '{0.__class__.__mro__}'.format(x) }}",
    ),
    _template(
        "jinja_format_map", "and so does format_map", "{{ '{x.__class__}'.format_map(row) }}"
    ),
    _template(
        "jinja_format_by_reference",
        "CVE-2024-56326: format under another name",
        "{% set f = '{0.__class__}'.format %}{{ f(x) }}",
    ),
    _template(
        "jinja_format_by_filter",
        "CVE-2025-27516: format through the attr filter",
        "{{ ('{0.__class__}'|attr('format'))(x) }}",
    ),
    _template(
        "jinja_self",
        "the template's own innards",
        "{{ self._TemplateReference__context.environment }}",
    ),
    _template(
        "jinja_unicode_identifier",
        "names that Python folds to others (NFKC)",
        "{{ x.__cl\uff41ss__ }}",
    ),
    _template(
        "jinja_include_file",
        "another template is a file",
        "{% include '/etc/passwd' %}",
        "prepare_failed",
    ),
    _template("jinja_import", "the same by import", "{% import 'os' as os %}", "prepare_failed"),
    _template(
        "jinja_loop",
        "a loop without end",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    ),
    _template("jinja_range", "a range of a billion", "{{ range(1000000000)|list }}"),
    _template("jinja_power", "9**9**9 in one operator", "{{ 9**(9**9) }}"),
    _template("jinja_repeat", "a gigabyte from one operator", "{{ 'x' * 1000000000 }}"),
    _template(
        "jinja_repeat_by_steps",
        "a gigabyte in steps that are each allowed",
        "{% set ns = namespace(t='x' * 1000) %}{% for i in range(40) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t }}",
    ),
    _template("jinja_padding", "a width is a size", "{{ '%1000000000d' % 1 }}"),
    _template("jinja_center", "and so is the one of a filter", "{{ x|center(1000000000) }}"),
    _template("jinja_indent", "or of an indent", "{{ 'a\\nb'|indent(1000000000) }}"),
    _template("jinja_method_width", "or of a method of text", "{{ x.zfill(1000000000) }}"),
    _template(
        "jinja_replace_growth",
        "replace nothing with something, over and over",
        "{% set ns = namespace(t='aaaaaaaaaa') %}{% for i in range(30) %}{% set ns.t = ns.t.replace('a', 'aaaaaaaaaa') %}{% endfor %}{{ ns.t }}",
    ),
    _template(
        "jinja_recursion",
        "a macro that calls itself",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    ),
    _template(
        "jinja_sort_by_itself",
        "a filter that compares a million times",
        "{% for i in range(9999) %}{{ range(9999)|list|sort|unique|list|length }}{% endfor %}",
    ),
    _template(
        "jinja_change_row",
        "changes the row that the grader will see",
        "{% set _ = row.update({'x': 'forged'}) %}{{ x }}",
    ),
    _template("jinja_surrogate", "text that no store takes", "{{ '\\ud800' }}"),
    _template(
        "jinja_harmless", "what none of them may break: a plain template", "Q: {{ x }}", PREPARED
    ),
    _checked(
        "check_deep_expression",
        "a hundred thousand brackets",
        "grader",
        "x = " + "(" * 100_000 + ")" * 100_000,
    ),
    _checked(
        "check_deep_unary",
        "half a million signs overflow a recursive compiler",
        "grader",
        "x = " + "-" * 500_000 + "1",
    ),
    _checked("check_deep_attributes", "a chain of attributes", "grader", "x = a" + ".b" * 300_000),
    _checked(
        "check_folded_power",
        "constants are computed while compiling",
        "grader",
        "x = 9**9**9\ndef grade(s, i): return 1",
        expected=ACCEPTED,
    ),
    _checked(
        "check_folded_text",
        "texts too",
        "grader",
        "x = ('a' * 4096) * 4096 * 4096\ndef grade(s, i): return 1",
        expected=ACCEPTED,
    ),
    _checked(
        "check_many_lines",
        "a hundred thousand statements",
        "grader",
        "x=1\n" * 100_000 + "def grade(s,i): return 1",
        expected=ACCEPTED,
        also=FOUND,
        because="a slow machine may take longer than the check has",
    ),
    _checked("check_too_long", "one byte more than is allowed", "grader", "#" * (1024 * 1024 + 1)),
    _checked("check_nul", "NUL ends C's strings", "grader", "def grade(s, i): return 1\0"),
    _checked(
        "check_coding_cookie",
        "a comment names a codec, and codecs run code",
        "grader",
        "# -*- coding: unicode_escape -*-\ndef grade(s, i): return '\\x00'",
        expected=ACCEPTED,
    ),
    _checked(
        "check_runs_nothing",
        "checking must not run: decorators, defaults, annotations, class bodies",
        "grader",
        "@__import__('os')._exit\ndef grade(s: __import__('os')._exit(1), i=__import__('os')._exit(1)): return 1",
        expected=ACCEPTED,
    ),
    _checked(
        "check_nested_template",
        "ten thousand nested blocks",
        "template",
        "{% if 1 %}" * 10_000 + "{% endif %}" * 10_000,
    ),
    _checked(
        "check_folded_template",
        "constants of templates must not be computed while checking",
        "template",
        "{{ 10 ** 10 ** 10 }}{{ 'x' * 10 ** 10 }}",
        expected=ACCEPTED,
    ),
    _checked(
        "check_template_of_calls",
        "fifty thousand expressions",
        "template",
        "{{ x }}" * 50_000,
        expected=ACCEPTED,
        also=FOUND,
        because="a slow machine may take longer than the check has",
    ),
    _checked(
        "check_pattern_nesting",
        "ten thousand groups in each other",
        "pattern",
        "(" * 10_000 + ")" * 10_000,
    ),
    _checked(
        "check_pattern_repeat_overflow",
        "a repeat above what fits",
        "pattern",
        "a{99999999999999999999}",
    ),
    _checked(
        "check_pattern_of_classes",
        "a hundred thousand classes",
        "pattern",
        "[a-z]" * 100_000,
        expected=ACCEPTED,
        also=FOUND,
        because="a slow machine may take longer than the check has",
    ),
    _checked("check_pattern_lookbehind", "a lookbehind of no fixed width", "pattern", "(?<=a*)b"),
    _checked(
        "check_pattern_ignorecase_ranges",
        "ranges over all of Unicode, in any case",
        "pattern",
        "(?i)" + "[\\u0000-\\U0010ffff]" * 300,
        expected=ACCEPTED,
        also=FOUND,
        because="a slow machine may take longer than the check has",
    ),
)
