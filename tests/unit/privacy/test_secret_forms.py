"""Passwords in sentences, commands and files of programs, and texts about passwords that hold none.

Values are drawn anew for each form with a fixed seed, so that no scanner takes this file for a leak.
"""

import base64
import random
from string import ascii_letters, ascii_lowercase, ascii_uppercase, digits

import pytest

from tests.support.detector_texts import found

DRAWN = 8
"""Values for each form."""


def password(source: random.Random) -> str:
    """Return a password of mixed letters, digits and a mark."""
    drawn = [source.choice(signs) for signs in (ascii_lowercase, ascii_uppercase, digits)]
    drawn += source.choices(ascii_letters + digits, k=7)
    source.shuffle(drawn)
    return "x" + "".join(drawn) + source.choice("!$%&?*") + str(source.randrange(10))


def key(source: random.Random) -> str:
    """Return a key of 40 letters and digits."""
    return "k7" + "".join(source.choices(ascii_letters + digits, k=38))


SENTENCES = (
    "password is: {}", "set the password to {}", "pw: {}", "the wifi password here is {}",
    "log in with anna / {}", "credentials: anna:{}", "log in as anna with {}", "{} is the new password",
    "reset it to {}, that's the new password", "my passcode's {}", "user: anna pass: {}",
    "Use {} as the password.", 'is "{}" a good password?', "the password, as always, is {}",
    "ALTER USER app IDENTIFIED BY '{}';", "GRANT ALL ON a.* TO b IDENTIFIED BY \"{}\"",
    "Wi-Fi: Harbour_5G / key: {}", "enter {} when prompted for a password", "Password\n{}",
    "assistant: What is the password?\nuser: {}\n",
    "das neue Passwort ist jetzt {}", "le mdp est {}", "la clave del wifi es {}", "a senha \xe9 {}",
    "la password \xe8 {}", "het wachtwoord luidt {}", "l\xf6senordet \xe4r {}", "adgangskoden er {}",
    "salasana on {}", "has\u0142o to {}", "heslo je {}", "a jelszavam {}", "parola mea e {}",
    "\u015fifrem {}", "\u043f\u0430\u0440\u043e\u043b\u044c \u043e\u0442 wifi {}", "\u5bc6\u7801\u662f{}",
    "\u30d1\u30b9\u30ef\u30fc\u30c9\u306f{}\u3067\u3059", "\ube44\ubc88\uc740 {}", "m\u1eadt kh\u1ea9u wifi {}",
    "kata sandinya {}", "\u0631\u0645\u0632 \u0639\u0628\u0648\u0631 {}", "\u092a\u093e\u0938\u0935\u0930\u094d\u0921 {}",
)  # fmt: skip


@pytest.mark.parametrize("form", SENTENCES)
def test_a_strong_value_near_the_word_is_a_password(form: str) -> None:
    """The word is before the value or behind it, in the same sentence."""
    source = random.Random(form)
    for value in (password(source) for _ in range(DRAWN)):
        assert any(value in hit for hit in found("SECRET", form.format(value))), value


COMMANDS = (
    "tool login --username anna --password {}", "mysql -u root -p{} -h db", "docker login -u anna -p {} r.example.org",
    "sshpass -p '{}' ssh anna@host", "redis-cli -a {} ping", "ldapsearch -D cn=admin -w {} -b dc=x",
    "curl --user 'anna:{}' https://h.example", "http -a anna:{} GET h.example", "net user anna {} /add",
    "echo '{}' | sudo -S true", "echo anna:{} | chpasswd", "htpasswd -b .htpasswd anna {}",
    "openssl enc -pass 'pass:{}' -in a", "keytool -genkey -storepass '{}'",
    "kubectl create secret generic db --from-literal=dsn='{}'", "xfreerdp /u:anna /p:'{}' /v:host",
    "sqlcmd -U sa -P '{}'", "sqlplus anna/{}@db:1521/X", "smbclient //nas/x -U anna%'{}'", "unzip -P '{}' a.zip",
    'ConvertTo-SecureString "{}" -AsPlainText -Force', "composer config http-basic.h.example anna '{}'",
)  # fmt: skip


@pytest.mark.parametrize("form", COMMANDS)
def test_a_password_among_the_arguments_of_a_program_is_found(form: str) -> None:
    """Joined to its option, behind it, or where the program takes it."""
    source = random.Random(form)
    for _ in range(DRAWN):
        value = password(source).replace("&", "+").replace("$", "+").replace("?", "+").replace("*", "+")
        assert any(value in hit for hit in found("SECRET", form.format(value))), value


FILES = (
    'user "anna"\npassword "{p}"', "default login anna password {p}", "requirepass {p}", "rootpw {p}",
    "snmp-server community {p} RO", "username anna privilege 15 secret {p}",
    "network={{\n ssid=\"a\"\n psk=\"{p}\"\n}}", "WIFI:T:WPA;S:a;P:{p};;",
    "password: |\n  {p}", "api_token: >-\n  {k}", 'variable "db_password" {{\n  type = string\n  default = "{p}"\n}}',
    '<string name="api_key">{k}</string>', "<key>password</key><string>{p}</string>", "<dt>API key</dt><dd>{k}</dd>",
    '<setting name="password"><value>{p}</value></setting>', '<input type="password" value="{p}">',
    'builder.withPassword("{p}")', '.with_access_token("{k}".to_string())', 'requests.get(u, auth=("anna", "{p}"))',
    'DriverManager.getConnection(url, "anna", "{p}")', "Cookie: theme=dark; sessionid={k}",
    "https://a.example/f?sp=r&sig={k}%3D", 'api_keys = ["{k}"]', "access token\n{k}\n", "| API key |\n|---|\n| {k} |\n",
    "could not parse access token [{k}] in row 17", "app.secret_key = b'{k}'", "jdbc:oracle:thin:anna/{p}@h:1521:x",
    "gh secret set A --body {k}", "aws configure set aws_secret_access_key {k}",
)  # fmt: skip


@pytest.mark.parametrize("form", FILES)
def test_a_value_whose_name_is_elsewhere_is_found(form: str) -> None:
    """In the line before, in an attribute or element, in a call, a cookie or the query of an address."""
    source = random.Random(form)
    for _ in range(DRAWN):
        drawn = {"p": password(source).replace("&", "+"), "k": key(source)}
        value = drawn["p" if "{p}" in form else "k"]
        assert any(value in hit for hit in found("SECRET", form.format_map(drawn))), value


def test_a_login_in_base64_is_read() -> None:
    """Docker and npm keep `user:password` so; Base64 of anything else is none."""
    for form in ('{{"auths": {{"r.example.org": {{"auth": "{}"}}}}}}', "_auth={}"):
        login = base64.b64encode(b"anna:" + password(random.Random(form)).encode()).decode()
        assert found("SECRET", form.format(login)) == [login]
    assert not found("SECRET", '{"auth": "' + base64.b64encode(b"ordinary words here").decode() + '"}')


def test_the_private_lines_of_a_putty_key_are_one_secret() -> None:
    """The public lines are none."""
    body = base64.b64encode(random.Random(3).randbytes(96)).decode()
    text = f"PuTTY-User-Key-File-3: ssh-rsa\nPublic-Lines: 1\nAAAAB3NzaC1yc2E\nPrivate-Lines: 1\n{body}\nPrivate-MAC: 0"
    assert found("SECRET", text) == [body]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("my PIN is 4821", "4821"),
        ("PIN: 4821", "4821"),
        ("the door code is 482193", "482193"),
        ("your one-time code is 482193", "482193"),
        ("OTP 482193", "482193"),
        ("\u043f\u0438\u043d-\u043a\u043e\u0434 4821", "4821"),
    ],
)
def test_a_code_is_found_beside_its_name(text: str, value: str) -> None:
    """Four to eight digits."""
    assert found("SECRET", text) == [value]


def test_the_words_of_a_wallet_are_a_secret() -> None:
    """Twelve words behind what names them; fewer are a sentence."""
    words = " ".join(["ripple", "harvest", "lemon", "sunset", "quiz", "orbit"] + ["velvet", "anchor"] * 3)
    assert found("SECRET", f"seed phrase: {words}") == [words]
    assert not found("SECRET", "recovery phrase: please keep it in a safe place")


NOTHING = (
    "the password is wrong", "password is required", "The password must be at least 12 characters",
    "set the password to expire in 90 days", "password reset link expired after 30 minutes",
    "the password field is empty in v2.3", "password is correct but login fails with error 0x80070005",
    "passwords are stored with Argon2id", "Password authentication is disabled for root@10.0.0.1",
    "the default password policy is MinLen12", "the passcode screen on iOS17 freezes",
    "log in with SAML2 or OAuth2", "user: q8Zr3LmP0vTyWx", "connect pin 12 to GND and pin 7 to VCC",
    "the PIN is 4 digits long", "status code 404", "PIN code 560001 is Bangalore", "zip code 90210",
    "\u043f\u0430\u0440\u043e\u043b\u044c \u043e\u0442 Windows10 \u043d\u0435 \u043f\u043e\u0434\u0445\u043e\u0434\u0438\u0442",
    "docker run -p 5432:5432 -u 1000:1000 postgres", "ssh -p 2222 anna@host", "mysql -u root -p shop",
    "curl -u $USER:$PASS2 https://h.example", "docker login -u anna --password-stdin",
    "password: vault:secret/data/db#password1", "password: ref+awssecrets://prod/db2#/password",
    "password: ENC[AES256_GCM,data:cQ8Zr3LmP0vTyWx41Kd7Nf==,iv:B2sHgJc5RtA9eUo,type:str]",
    "kind: SealedSecret\nspec:\n  encryptedData:\n    password: AgBy3iq8Zr3LmP0vTyWx41Kd7NfB2sHgJc5RtA9eUo\n",
    "password: hashedPassword2", "if password == password2:", 'password = getpass.getpass("Password for db1: ")',
    '"password": "Password2 is invalid"', "public_token: 0b1c6a52-93d4-4f0e-8a77-1d2e3f4a5b6c",
    "api_key: 1234567890abcdef1234567890abcdef-of-nobody-here", "glpat-my-personal-access-token-name",
    "Cookie: theme=dark; lang=en-US; consent=2024-01", "data-testid=\"password-input-2\"",
    'variable "key_name" {\n  default = "deploy-2024"\n}', "bearer of news 2024",
)  # fmt: skip


@pytest.mark.parametrize("text", NOTHING)
def test_what_is_said_about_passwords_is_no_secret(text: str) -> None:
    """Rules, references, encrypted values, names of things and of variables."""
    assert found("SECRET", text) == []


def test_a_count_is_no_key() -> None:
    """A value of the form of a provider's key whose characters follow each other is an example."""
    assert not found("SECRET", "ghp_" + "abcdefghijklmnopqrstuvwxyz0123456789")
    assert not found("SECRET", "sk-" + "proj-" + "this-is-where-you-put-yours")
    drawn = "ghp_" + key(random.Random(5))[:36]
    assert found("SECRET", drawn) == [drawn]
