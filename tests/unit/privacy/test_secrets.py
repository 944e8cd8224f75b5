"""Credentials in the forms of configuration files, shells, tables, manifests and many languages.

Each test draws fresh values for forms that are written out here, with a fixed seed.
"""

import base64
import random
from collections.abc import Callable
from string import ascii_letters, ascii_lowercase, digits

import pytest

from tests.support.detector_texts import found

ALNUM = ascii_letters + digits
HEX = "0123456789abcdef"
WIDE = ALNUM + "-_"
DRAWN = 12
"""Values for each form."""


def drawn(size: int, signs: str = ALNUM) -> Callable[[random.Random], str]:
    """Return what draws values of some signs with a letter and a digit in them."""

    def draw(source: random.Random) -> str:
        while True:
            value = "".join(source.choices(signs, k=size))
            if any(map(str.isdigit, value)) and any(map(str.isalpha, value)):
                return value

    return draw


KEY, PASSWORD = drawn(32), drawn(14)

FORMS: list[tuple[str, Callable[[random.Random], str], str]] = [
    ("FROM alpine\nENV API_SECRET {}\nRUN make", KEY, "a Dockerfile without an equals sign"),
    ("ENV ROOT_PASSWORD {}", PASSWORD, "the same, a password"),
    ("env:\n  - name: CACHE_PASSWORD\n    value: {}", PASSWORD, "a list of Kubernetes"),
    ("env:\n- name: MODE\n  value: fast\n- name: 'HOOK_TOKEN'\n  value: {}\n", KEY, "quotes"),
    ("- value: {}\n  name: HOOK_TOKEN", KEY, "the value first"),
    ('[{{"name": "CACHE_PASSWORD", "value": "{}"}}]', PASSWORD, "a list of a task in JSON"),
    ('<add key="ApiToken" value="{}"/>', KEY, "attributes of XML"),
    ("kind: Secret\nmetadata:\n  name: a\nstringData:\n  x: {}\n", PASSWORD, "a manifest, its kind first"),
    ("stringData:\n  x: |\n    {}\nkind: Secret", PASSWORD, "its kind last, a block"),
    ('{{"kind":"Secret","stringData":{{"x":"{}"}}}}', PASSWORD, "a manifest in JSON"),
    ("set -gx HOOK_TOKEN {}", KEY, "fish"),
    ("setenv HOOK_TOKEN '{}'", KEY, "csh"),
    ('$env:HOOK_TOKEN = "{}"', KEY, "PowerShell"),
    ("set ROOT_PASSWORD={}", PASSWORD, "Windows"),
    ("setx HOOK_TOKEN {} /M", KEY, "Windows, for good"),
    ("| login | password |\n|:--|--:|\n| ann | {} |", PASSWORD, "a table in Markdown"),
    ("service | api key\n--- | ---\nmaps | `{}`", KEY, "without marks outside, as code"),
    ("login,password\nann,{}\n", PASSWORD, "commas"),
    ('"id","access_token"\n"1","{}"\n', KEY, "quoted cells"),
    ("login;passwd;role\nann;{};admin\n", PASSWORD, "semicolons"),
    ("name\tapi_key\nprod\t{}\n", KEY, "tabs"),
    (" login | password\n-------+---------\n ann   | {}\n(1 row)", PASSWORD, "a client of a database"),
    ("kind: Secret # of the app\ndata:\n    k: {}\n", KEY, "a manifest with a comment"),
    ("Env | Password\n--- | ---\nlive | {}", PASSWORD, "a word of two meanings beside it"),
    ("password - {}", PASSWORD, "a dash"),
    ("- **Password:** {}", PASSWORD, "emphasis around the colon"),
    ("**Password**: {}", PASSWORD, "emphasis before it"),
    ("*api_key* = {}", KEY, "one star, an equals sign"),
    ("\x1b[32mpassword\x1b[0m: \x1b[1m{}\x1b[0m", PASSWORD, "colours of a terminal"),
    ('--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n{}\r\n--x', PASSWORD, "part of a form"),
    ("/login?next=%2Fadmin%3Fpassword%3D{}", PASSWORD, "a URL in a URL"),
    ("private key {}", drawn(64, HEX), "a private key in hexadecimal"),
    ("the deployer's privateKey: 0x{}", drawn(64, HEX), "with a prefix"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "draw", "why"), FORMS, ids=[why for *_, why in FORMS])
def test_a_secret_is_found_in_every_form(form: str, draw: Callable[[random.Random], str], why: str) -> None:
    """A drawn value is reported, in its own place, wherever a file of this form has it."""
    source = random.Random(why)
    for value in (draw(source) for _ in range(DRAWN)):
        hits = found("SECRET", form.format(value))
        assert any(value in hit or hit == "0x" + value for hit in hits), (form, hits)


def test_a_manifest_of_base64_is_a_secret_however_short() -> None:
    """What a Secret holds is one, whatever its key is called; a ConfigMap beside it is none."""
    for text in ("app-user-7", "correct horse", "x" * 30 + "9y"):
        value = base64.b64encode(text.encode()).decode()
        manifest = f"kind: ConfigMap\ndata:\n  m: fast2go\n---\nkind: Secret\ndata:\n  blob: {value}\n"
        assert found("SECRET", manifest) == [value]
    assert found("SECRET", "kind: ConfigMap\ndata:\n  mode: fast2go9\n  url: x7y8z9\n") == []


def test_a_manifest_with_comments_and_several_documents_keeps_its_places() -> None:
    """Each value is reported where it stands, whatever stands between the documents."""
    first, second = PASSWORD(random.Random(1)), KEY(random.Random(2))
    text = (
        f"kind: Secret # one\nstringData:\n  a: {first}\n--- \nkind: Role\n---\n"
        f"data:\n  b: {second}\nkind: Secret\n"
    )
    assert found("SECRET", text) == [first, second]


LANGUAGES = (
    "Kennwort", "Passwort", "Passwörter", "mot de passe", "contraseña", "senha", "palavra-passe",
    "wachtwoord", "lösenord",
    "adgangskode", "passord", "salasana", "heslo", "jelszó", "parolă", "parola", "hasło", "şifre", "пароль",
    "密码", "密碼", "パスワード", "비밀번호", "รหัสผ่าน", "mật khẩu", "كلمة المرور", "סיסמה", "κωδικός",
)  # fmt: skip


@pytest.mark.parametrize("word", LANGUAGES)
def test_a_password_is_found_in_every_language(word: str) -> None:
    """The word, in front of a value, at the head of a column, and in another case."""
    source = random.Random(word)
    for form in (
        "{}: {}",
        "{} = {}",
        "login: ann\n{}: {}\n",
        "x;{}\n1;{}\n",
        "| a | {} |\n|-|-|\n| b | {} |",
    ):
        for name in (word, word.capitalize()):
            value = PASSWORD(source)
            assert value in found("SECRET", form.format(name, value)), form


@pytest.mark.parametrize(
    "form",
    [
        "das Passwort lautet {}", "le mot de passe est {}", "la contraseña es {}", "hasło do sieci: {}",
        "密码是{}", "パスワードは「{}」です", "пароль от базы: {}",
    ],
)  # fmt: skip
def test_a_password_is_found_in_a_sentence_of_another_language(form: str) -> None:
    """As somebody would write it."""
    value = PASSWORD(random.Random(form))
    assert found("SECRET", form.format(value)) == [value]


MAKERS: dict[str, Callable[[random.Random], str]] = {
    "Anthropic, OAuth": lambda r: "sk-ant-oat01-" + drawn(93, WIDE)(r) + "AA",
    "Anthropic, renewal": lambda r: "sk-ant-ort01-" + drawn(93, WIDE)(r) + "AA",
    "OpenAI, project": lambda r: "sk-" + "proj-" + drawn(120)(r),
    "OpenAI, service": lambda r: "sk-" + "svcacct-" + drawn(120)(r),
    "OpenRouter": lambda r: "sk-" + "or-v1-" + drawn(64, HEX)(r),
    "DeepSeek": lambda r: "sk-" + drawn(32, HEX)(r),
    "Langfuse": lambda r: "sk-" + "lf-" + "-".join(drawn(n, HEX)(r) for n in (8, 4, 4, 4, 12)),
    "LangSmith": lambda r: "lsv2_" + "pt_" + drawn(32, HEX)(r) + "_" + drawn(10, HEX)(r),
    "LangSmith, service": lambda r: "lsv2_" + "sk_" + drawn(32, HEX)(r) + "_" + drawn(10, HEX)(r),
    "Pinecone": lambda r: "pcsk_" + drawn(6)(r) + "_" + drawn(63)(r),
    "NVIDIA": lambda r: "nvapi-" + drawn(64)(r),
    "Fireworks": lambda r: "fw_" + drawn(24)(r),
    "Groq": lambda r: "gsk_" + drawn(52)(r),
    "xAI": lambda r: "xai-" + drawn(80)(r),
    "Perplexity": lambda r: "pplx-" + drawn(48)(r),
    "Replicate": lambda r: "r8_" + drawn(37)(r),
    "Hugging Face": lambda r: "hf_" + drawn(34)(r),
    "Together": lambda r: "tgp_v1_" + drawn(43)(r),
    "Cerebras": lambda r: "csk-" + drawn(48, ascii_lowercase + digits)(r),
    "Tavily": lambda r: "tvly-" + "dev-" + drawn(32)(r),
    "ElevenLabs": lambda r: "sk_" + drawn(48, HEX)(r),
    "Voyage": lambda r: "pa-" + drawn(43)(r),
    "Weights & Biases": lambda r: "wandb_v1_" + drawn(27)(r) + "_" + drawn(49)(r),
    "Databricks": lambda r: "dapi" + drawn(32, HEX)(r),
    "Jina": lambda r: "jina_" + drawn(60)(r),
    "E2B": lambda r: "e2b_" + drawn(40, HEX)(r),
    "Supabase": lambda r: "sb_secret_" + drawn(31)(r),
    "Resend": lambda r: "re_" + drawn(8)(r) + "_" + drawn(24)(r),
}  # fmt: skip


@pytest.mark.parametrize("maker", MAKERS)
def test_a_key_is_known_by_its_makers_form(maker: str) -> None:
    """With nothing around it that says what it is, in a sentence, and between quotes."""
    source = random.Random(maker)
    for form in ("{}", "why does {} not work?", 'call("{}")'):
        for _ in range(4):
            value = MAKERS[maker](source)
            assert found("SECRET", form.format(value)) == [value]


PLACEHOLDERS = (
    "YOUR_API_KEY_HERE", "<your-token>", "${DB_PASSWORD}", "{{ .Values.password }}", "changeme",
    "xxxxxxxxxxxx",
    "********", "REPLACE_ME_WITH_A_KEY_HERE", "[REDACTED]", "example", "your_password",
    "/run/secrets/db_password",
    "file:///run/secrets/key", "process.env.API_KEY", "!vault",
)  # fmt: skip


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_a_placeholder_is_none_in_any_form(placeholder: str) -> None:
    """What stands for a secret, or says where it is kept, is not reported in any of the forms."""
    for form in (form for form, _, why in FORMS if "hexadecimal" not in why and "prefix" not in why):
        assert found("SECRET", form.format(placeholder)) == [], form


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Idempotency-Key: 0b1c6a52-93d4-4f0e-8a77-1d2e3f4a5b6c", "a key that lets nobody in"),
        ("commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "a commit"),
        ("public key " + "0a1b2c3d4e5f6978" * 4, "a public key"),
        ("private key fingerprint sha256 " + "0a1b2c3d4e5f6978" * 4, "a fingerprint of one"),
        ("ssh-ed25519 " + "AAAAC3NzaC1lZDI1NTE5AAAAIJ8x2Kq7 ann@host", "a public key of SSH"),
        ("ENV NODE_VERSION 20.11.1\nENV TOKENIZERS_PARALLELISM false", "settings of an image"),
        ("set -x\nset -euo pipefail", "a shell that shows its commands"),
        ("env:\n- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef:\n      key: pw-v2", "elsewhere"),
        ("- name: PASSWORD_MIN_LENGTH\n  value: 12\n- name: SECRET_NAME\n  value: db-2024", "about them"),
        ("kind: ExternalSecret\nspec:\n  data:\n  - secretKey: password\n    remoteRef: a/db1", "another"),
        ("subjects:\n- kind: Secret\n  name: db-cert-2", "a manifest that names one"),
        ("| token | count |\n|---|---|\n| the | 1203 |\n| running | 17 |", "tokens of a text"),
        ("| Field | Type |\n|---|---|\n| password | string |\n| api_key | section 4.2 |", "a description"),
        ("| Test | Pass | Fail |\n|---|---|---|\n| login12 | 10432 | 3 |", "results of tests"),
        ("from x import (\n    proxy_bypass,\n    urlparse,\n)", "a program"),
        ("пароль должен быть длиннее 8 символов", "a rule in Russian"),
        ("密码必须包含8个字符", "a rule in Chinese"),
        ("Das Passwort muss 12 Zeichen haben", "a rule in German"),
        ("密码\uff1a至少8位\uff0c包含字母和数字", "a rule that begins like an answer"),
        ("clave: usuario_nuevo_2", "a word that means a key of a mapping as well"),
        ("hf_hub_download(repo_id), fw_version_number_of_the_device", "names"),
    ],
)  # fmt: skip
def test_what_speaks_of_secrets_only_is_left(text: str, why: str) -> None:
    """Settings, references, rules and names of things hold no secret."""
    assert found("SECRET", text) == [], why


@pytest.mark.parametrize(
    "text",
    [
        "password_updated_at: 2025-03-12T10:11:12Z",
        '{"passwordChangedAt": "2025-03-12T10:11:12.123Z"}',
        "token_expires_on = 2025-03-12T10:11:12",
        "**password** must have 12 characters, *token*: optional",
    ],
)
def test_when_a_password_was_changed_is_none(text: str) -> None:
    """Nor are words about one."""
    assert not found("SECRET", text)
