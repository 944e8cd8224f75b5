"""What rows of data look like: where a value stands in a file, a program or a request, between two others."""

from collections.abc import Callable, Mapping

Carrier = Callable[[str, str, str], str]
"""A value and its neighbours on the left and right in, a text out."""

CARRIERS: Mapping[str, Carrier] = {
    "CSV": lambda v, a, b: f"{a},{v},{b}",
    "CSV, first": lambda v, a, b: f"{v},{a}\n{a},{b}",
    "CSV, last": lambda v, a, b: f"{b},{a},{v}\n{a},{a},{b}",
    "CSV with spaces": lambda v, a, b: f"{a}, {v}, {b}",
    "quoted CSV": lambda v, a, b: f'"{a}","{v}","{b}"',
    "TSV": lambda v, a, b: f"{a}\t{v}\t{b}",
    "semicolons": lambda v, a, b: f"{a};{v};{b}",
    "pipes": lambda v, a, b: f"{a}|{v}|{b}",
    "Markdown": lambda v, a, b: f"| {a} | {v} | {b} |",
    "tight Markdown": lambda v, a, b: f"|{a}|{v}|{b}|",
    "JSON list": lambda v, a, b: f'[{a},"{v}",{b}]',
    "list": lambda v, a, b: f"[{a},{v},{b}]",
    "JSON object": lambda v, a, b: f'{{"a":{a},"b":"{v}","c":{b}}}',
    "JSON in a string": lambda v, a, b: f'"{{\\"a\\":\\"{a}\\",\\"b\\":\\"{v}\\"}}\\n{b}"',
    "escaped line ends": lambda v, a, b: f"{a}\\n{v}\\n{b}",
    "escaped tabs": lambda v, a, b: f"{a}\\t{v}\\t{b}",
    "SQL": lambda v, a, b: f"INSERT INTO t VALUES ({a},'{v}',{b});",
    "bare SQL": lambda v, a, b: f"VALUES({a},{v},{b})",
    "XML": lambda v, a, b: f"<r><a>{a}</a><b>{v}</b><c>{b}</c></r>",
    "XML attributes": lambda v, a, b: f'<r a="{a}" b="{v}" c="{b}"/>',
    "HTML": lambda v, a, b: f"<tr><td>{a}<td>{v}<td>{b}</tr>",
    "path": lambda v, a, b: f"/pay/{a}/{v}/{b}",
    "query": lambda v, a, b: f"/q?a={a}&b={v}&c={b}",
    "escaped query": lambda v, a, b: f"/q?a={a}%2C{v}%2C{b}",
    "round brackets": lambda v, a, b: f"({a})({v})({b})",
    "square brackets": lambda v, a, b: f"[{a}][{v}][{b}]",
    "braces": lambda v, a, b: f"{{{a}}}{{{v}}}{{{b}}}",
    "angle brackets": lambda v, a, b: f"<{a}><{v}><{b}>",
    "underscores": lambda v, a, b: f"row_{a}_{v}_{b}",
    "YAML": lambda v, a, b: f"- a: {a}\n  b: {v}\n  c: {b}",
    "tight assignments": lambda v, a, b: f"a={a} b={v} c={b}",
    "Japanese": lambda v, a, b: f"番号{a}は{v}です{b}",
    "Thai": lambda v, a, b: f"หมายเลข{a}คือ{v}ครับ{b}",
    "Korean": lambda v, a, b: f"번호{a}는{v}입니다{b}",
    "file of a day": lambda v, a, b: (
        f"2024-01-31-{v}-{b or 'x'}.csv" if "-" not in v else f"2024-01-31-{v}.csv"
    ),
    "colours": lambda v, a, b: f"{a}\x1b[1m{v}\x1b[0m{b}",
    "escaped colours": lambda v, a, b: f"{a}\\x1b[31;1m{v}\\x1b[0m{b}",
    "HL7": lambda v, a, b: f"PID^{a}^^{v}^{b}~1",
    "LaTeX": lambda v, a, b: f"{a} & {v} & {b} \\\\",
    "entities": lambda v, a, b: f"{a}&#44;{v}&nbsp;{b}",
    "emoji": lambda v, a, b: f"{a}\U0001f4b3{v}\U0001f4b3{b}",
    "keycap": lambda v, a, b: f"1\ufe0f\u20e3{v}, {b}",
    "sum": lambda v, a, b: f"{a}+{v}+{b}",
    "Chinese marks": lambda v, a, b: f"{a},{v}。{b}",
}
NEIGHBOURS = (
    "",
    "1",
    "42",
    "7",
    "1000",
    "4242",
    "123456",
    "9.99",
    "-0.5",
    "3.14159",
    "2024-01-31",
    "x",
    "true",
)
"""What stands in the cells beside a value."""
_MARK = "\ue000"


def carried(carrier: str, value: str, before: str, after: str) -> tuple[str, int] | None:
    """Return a text with a value between two neighbours and its start; None where it makes two cells."""
    made = CARRIERS[carrier]
    if (carrier == "path" and "/" in value) or "|" in value:
        return None
    return made(value, before, after), made(_MARK, before, after).index(_MARK)
