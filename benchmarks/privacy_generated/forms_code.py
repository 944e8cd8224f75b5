"""Forms of programs and of those who run them: code, logs, environment files, shells, kubectl, Terraform."""

from collections.abc import Iterator
from random import Random

from benchmarks.privacy_generated.forms_data import camel, identifier
from benchmarks.privacy_generated.forms_text import shuffled
from benchmarks.privacy_generated.value import Field, Fields, Form, Part, Write

_CODE = {
    # Each line holds $name or $Name or $NAME, and $value.
    "Python": ('$name = "$value"', 'client.update($name="$value", retries=3)', 'record["$name"] = \'$value\'',
               "assert parse('$value').$name is not None", 'def load($name: str = "$value") -> None: ...'),
    "JavaScript": ('const $Name = "$value";', "{ $Name: '$value', active: true }", "form.set('$name', '$value');"),
    "Java": ('String $Name = "$value";', 'builder.set$Name("$value").build();', 'map.put("$name", "$value");'),
    "Go": ('$Name := "$value"', 'cfg := Config{$Name: "$value", Debug: false}', 'const $Name string = "$value"'),
    "C#": ('var $Name = "$value";', 'new Record { $Name = "$value" };'),
    "Ruby": ("$name = '$value'", "{ $name: '$value', ok: true }", ":$name => '$value'"),
    "PHP": ("$$name = '$value';", "['$name' => '$value', 'x' => 1]", "define('$NAME', '$value');"),
    "Rust": ('let $name = "$value";', '.with_$name("$value".to_string())'),
    "C": ('#define $NAME "$value"', 'char *$name = "$value";'),
    "Kotlin": ('val $Name = "$value"',),
}  # fmt: skip
_COMMENTS = {"Python comment": "# $label $value, see below\nx = 1", "C comment": "/* $label: $value */\nint x = 1;",
             "SQL comment": "-- $label $value\nSELECT 1;", "JavaScript comment": "// TODO $label $value\nrun();"}  # fmt: skip
_OPERATIONS = {
    "log": (
        '2026-03-01T10:22:31Z INFO service started $name=$value status=200', "[WARN] 10:22:31 worker-3 - $label $value rejected",
        '{"level":"info","msg":"stored","$name":"$value"}', "Mar  1 10:22:31 web app[2311]: $name: '$value' took 12 ms",
        "DEBUG handler: $Name -> $value (cached)", "ERROR could not parse $label [$value] in row 17",
        "10:22:31.112 | TRACE | $name | $value | 14", "level=info ts=10:22:31 $name=\"$value\" dur=3ms",
    ),
    "log without words": ("INFO 10:22:31 [pool-1] done $value 200 14ms", "GET /items/$value HTTP/1.1 200", "> processing <$value> ... ok"),
    ".env": ("$NAME=$value", 'export $NAME="$value"', "# production\n$NAME='$value'\nDEBUG=false", "APP_ENV=prod\n$NAME=$value\nPORT=8080"),
    "shell": (
        "curl -d '$name=$value' localhost", "./run --$flag $value --verbose", "./run --$flag=$value", "export $NAME=$value && ./start.sh",
        "echo '$value' | ./import --as $name", 'set -x $NAME "$value"', "psql -c \"select * from t where $name = '$value'\"",
        "$ ./ask\n$label: $value\n$ exit", "setx $NAME $value", "docker run -e $NAME=$value app:latest", "aws ssm put-parameter --name /app/$name --value '$value'",
    ),
    "kubectl": (
        "kubectl create configmap app --from-literal=$name=$value", "Name:   app\nLabels: tier=web\nEnvironment:\n  $NAME:  $value\nMounts: none",
        "apiVersion: v1\nkind: ConfigMap\ndata:\n  $name: \"$value\"", "env:\n  - name: $NAME\n    value: \"$value\"", "$ kubectl get cm -o yaml\ndata:\n  $NAME: $value",
    ),
    "Terraform": (
        'variable "$name" {\n  default = "$value"\n}', '  + $name = "$value"', 'Outputs:\n\n$name = "$value"', '  ~ $name: "" => "$value"',
        'resource "app" "main" {\n  $name = "$value"\n  count = 2\n}',
    ),
    "Docker": ("FROM alpine\nENV $NAME $value\nCMD run", "ENV $NAME=$value", "ARG $NAME=$value", "environment:\n  $NAME: $value", "environment:\n  - $NAME=$value"),
    "properties": ("app.$name=$value", "$name: $value\n", "<add key=\"$Name\" value=\"$value\" />"),
    "URL": ("https://app.internal.corp/find?$name=$value&page=2", "/api/v2/$name/$value/edit"),
}  # fmt: skip
"""By family the texts of each form: $flag is a name with dashes."""
_WITHOUT_LABEL = frozenset({"log without words"})


def forms() -> Iterator[Form]:
    """Yield all forms of this file."""
    for language, lines in _CODE.items():
        for line in lines:
            yield Form(name=f"{language}: {line}", family="code", write=_template(line), encode=_in_quotes)
    for name, line in _COMMENTS.items():
        yield Form(name=name, family="code, comment", write=_template(line))
    for family, lines in _OPERATIONS.items():
        for line in lines:
            yield Form(
                name=f"{family}: {line}",
                family=family,
                write=_template(line),
                has_label=family not in _WITHOUT_LABEL,
                encode=_in_url if family == "URL" else str,
                also=frozenset({"URL"} if family == "URL" else ()),
            )
    yield Form(name="list in Python", family="code", write=_list, encode=_in_quotes)
    yield Form(name="dictionary in Python", family="code", write=_dictionary, encode=_in_quotes)
    yield Form(name="data class in Python", family="code", write=_call, encode=_in_quotes)


def _template(line: str) -> Write:
    def write(fields: Fields, random: Random) -> list[Part]:
        name = identifier(fields.main.label)
        whole = line
        for sign, word in (
            ("$label", fields.main.label), ("$name", name), ("$Name", camel(fields.main.label)), ("$NAME", name.upper()),
            ("$flag", name.replace("_", "-")),
        ):  # fmt: skip
            whole = whole.replace(sign, word)
        before, _, behind = whole.partition("$value")
        return [before, fields.main, behind]

    return write


def _in_quotes(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'")


def _in_url(text: str) -> str:
    return (
        text.replace(" ", "%20")
        .replace("/", "%2F")
        .replace("+", "%2B")
        .replace("&", "%26")
        .replace("#", "%23")
    )


def _list(fields: Fields, random: Random) -> list[Part]:
    parts: list[Part] = [f"{identifier(fields.main.label)}s = ["]
    for each in fields.mains:
        parts += ['"', each, '", ']
    return [*parts[:-1], '"]']


def _pairs(fields: list[Field], between: str) -> list[Part]:
    parts: list[Part] = []
    for each in fields:
        parts += [f"{identifier(each.label)}{between}", each, '", ']
    return parts[:-1]


def _dictionary(fields: Fields, random: Random) -> list[Part]:
    parts: list[Part] = ["record = {"]
    for each in shuffled(fields):
        parts += [f'"{identifier(each.label)}": "', each, '", ']
    return [*parts[:-1], '"}']


def _call(fields: Fields, random: Random) -> list[Part]:
    return ["save(Record(", *_pairs(shuffled(fields), '="'), '"))']
