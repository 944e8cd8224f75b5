"""Words for passwords and keys: patterns, and marks for words that patterns cannot see."""

import re
from functools import lru_cache

LOGIN_MARK = "\x1a"
KEY_MARK = "\x1c"
"""Replaces each character of a word that patterns cannot see; no text contains the marks."""

# Each language writes the word alone, or within a longer one; `Kennwort` and `senha` are no other words.
PASSWORD_WORDS = (
    r"pass(?:word|wort|w\xf6rter|ord|wd|phrase|code)|pwd|kennwort|contrase[n\xf1]a|clave[ _-]?de[ _-]?acceso"
    r"|mot[ _-]?de[ _-]?passe?\b|hasl?o\b|senhas?\b|palavra[ _-]?passe|wachtwoord|l[o\xf6]senord|adgangskode|kodeord|salasana"
    r"|heslo|jelsz[o\xf3]|jelszav|geslo|lozinka|parool|parole ir\b|kata[ _-]?sandi|kata[ _-]?laluan|contrasenya|parola d'ordine|salas[o\xf5]na"
    r"|neno[ _-]?la[ _-]?siri|\bmdp\b|(?:\b|_)ps?w\b|passkey|(?:root|bind|admin|user|smtp|ftp|db|my)pw\b|(?:\b|_)psk\b"
    r"|wi-?fi[ -]key|wpa2?[ -]key|w-?lan[ -]?schl(?:\xfc|ue)ssel|netzwerkschl(?:\xfc|ue)ssel|\x1a+"
)
LOGIN_WORDS = rf"pass\b|{PASSWORD_WORDS}"
OTHER_LOGIN_WORDS = r"\bparola[mn]?\b|\bclave\b"
"""Ambiguous words; a plain word behind one is no password."""
KEY_WORDS = (
    r"cl[e\xe9] (?:d')?api|(?:clave|chave) (?:de )?api|chiave api|klucz api|api[ -]?schl(?:\xfc|ue)ssel|\x1c+"
)

_LOGINS = (
    "пин-код", "пін-код", "пин код", "mã pin", "пароль", "паролем", "пароля", "пароли", "парола", "лозинка", "hasło", "hasła", "hasłem", "parolă",
    "şifre", "şifresi", "şifreniz", "slaptažodis", "mật khẩu", "κωδικός πρόσβασης", "κωδικός", "συνθηματικό",
    "סיסמה", "סיסמא", "كلمة المرور", "كلمة السر", "رمز عبور", "گذرواژه", "पासवर्ड", "পাসওয়ার্ড", "கடவுச்சொல்",
    "รหัสผ่าน", "密码", "密碼", "口令", "パスワード", "暗証番号", "パスフレーズ", "비밀번호", "패스워드",
    "암호", "비번", "парол", "پاس ورڈ", "کلمه عبور", "పాస్వర్డ్", "పాస్\u200cవర్డ్",
)  # fmt: skip
_KEYS = (
    "токен", "секретный ключ", "приватный ключ", "ключ api", "api-ключ", "api ключ", "密钥", "密鑰", "秘钥",
    "令牌", "apiキー", "秘密鍵", "シークレット", "トークン", "api 키", "토큰", "비밀키", "klíč api",
)  # fmt: skip
_SHORT = 6
"""A Latin word of at most this many letters may be a part of another word, so only whole words count."""


def _source(words: tuple[str, ...]) -> str:
    longest_first = sorted(words, key=len, reverse=True)
    return "|".join(
        rf"\b{word}\b" if word.isascii() and len(word) <= _SHORT else word.replace(" ", "[ _]")
        for word in longest_first
    )


@lru_cache(maxsize=64)
def _unseen(logins: tuple[str, ...], keys: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern for the words that a text contains."""
    return re.compile(f"({_source(logins) or '(?!)'})|{_source(keys) or '(?!)'}", re.IGNORECASE)


def marked(text: str) -> str:
    """Return a text with marks in place of these words; offsets do not change."""
    if text.isascii():
        return text
    lowered = text.lower().replace("_", " ")
    logins = tuple(word for word in _LOGINS if word in lowered)
    keys = tuple(word for word in _KEYS if word in lowered)
    if not (logins or keys):
        return text
    return _unseen(logins, keys).sub(lambda word: (LOGIN_MARK if word[1] else KEY_MARK) * len(word[0]), text)
