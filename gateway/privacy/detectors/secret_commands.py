"""Passwords in command lines and in files of programs that write a directive and a value."""

import re
from collections.abc import Iterator

from gateway.domain.text.pattern import Pattern
from gateway.privacy.detector import LIKELY, PROBABLE, Match
from gateway.privacy.detectors.login_words import LOGIN_WORDS
from gateway.privacy.detectors.secret_value import (
    is_password,
    is_secret,
    secret_at,
)

_V = r"(?:\"([^\"\n$]{4,})\"|'([^'\n]{4,})'|([^\s\"'`;|&<>(){}$][^\s\"'`;|<>(){}]{3,}))"
"""A value of a shell, in quotes or without."""
_ON = r"\b[^\n|;]*?[ \t]"
"""From the name of a program to one of its options."""
_MAX_CHARS = 512
_NUMBER = re.compile(r"[0-9]{6,}")
"""Longer than the number of a port."""
_NO_VALUE = ("-", "$", "/")
_COMMANDS = (
    rf"\bcurl{_ON}(?:-u|--user)[ =]?[ \t]*[\"']?[^\s:\"'$]+:([^\s\"'@$][^\s\"'@]{{3,}})",
    r"\b(?:https?|xh)[ \t](?:[^\n|;]*?[ \t])?(?:-a|--auth)[ =][\"']?[^\s:\"'$]+:([^\s\"'@$][^\s\"'@]{3,})",
    # A value joined to its option, then behind a space.
    rf"\b(?:mysql\w*|mariadb\w*|sshpass|7z\w?|7za|unrar|rar|plink|pscp){_ON}-p{_V}",
    rf"\b(?:docker|podman|helm|oc|az|argocd|mongo\w*|ncftp\w*|twine|sshpass|plink|pscp|psftp|flyway|cf|nuget|skopeo|buildah|rabbitmqadmin)"
    rf"{_ON}-pw? ?{_V}",
    rf"\blogin\b[^\n|;]*?[ \t]-p[ \t]+{_V}",
    rf"\b(?:sqlcmd|bcp|ipmitool|osql|isql|zip|unzip|mosquitto_\w+|telnet|impacket\w*|ldapvi){_ON}-P ?{_V}",
    rf"\b(?:redis-cli|rclone|keydb-cli){_ON}-a[ \t]+{_V}",
    rf"\bldap\w+{_ON}-w[ \t]+{_V}",
    rf"\bsnmp\w+{_ON}-[AX][ \t]+{_V}",
    rf"\b(?:smbclient|rpcclient|smbget|lftp|mount\.cifs){_ON}-[uU][ \t]+[\"']?[^\s%,]+[%,]{_V}",
    rf"\b(?:xfreerdp|wfreerdp|cmdkey|mstsc|runas|rdesktop){_ON}/p(?:ass(?:word)?)?:{_V}",
    rf"\bnet[ \t]+user[ \t]+\S+[ \t]+{_V}",
    rf"\bnet[ \t]+use[ \t]+(?:\S+[ \t]+){{1,2}}{_V}[ \t]+/user:",
    r"\bsqlplus\b[^\n/]*[ \t][\w.]+/([^\s\"'/$]{4,})@\w",
    rf"\becho[ \t]+(?:-n[ \t]+)?{_V}[ \t]*\|[ \t]*(?:sudo\b[^\n]{{0,40}}-\w*S|passwd\b[^\n]{{0,40}}--stdin|docker login|su\b)",
    r"\becho[ \t]+(?:-e[ \t]+)?[\"']?[^\s:\"'$]+:([^\s\"'$]{4,64})[\"']?[ \t]*\|[ \t]*(?:sudo[ \t]+)?chpasswd",
    rf"\bhtpasswd\b[ \t]+-\w*b\w*[ \t]+(?:-\w+[ \t]+)*\S+[ \t]+\S+[ \t]+{_V}",
    rf"\bopenssl{_ON}-pass(?:in|out)?[ \t]+[\"']?pass:{_V}",
    rf"\b(?:keytool|jarsigner){_ON}-(?:store|key|src\w{{0,5}}|dest\w{{0,5}})pass(?:word)?[ \t]+{_V}",
    rf"\bsecret\b[^\n|;]*[ \t]--from-literal[= ][\"']?[\w.-]+={_V}",
    rf"\b(?:gh|glab|fly|flyctl|wrangler|vercel|doppler|az|gcloud|aws)[ \t][^\n|;]{{0,40}}\bsecrets?\b{_ON}(?:--(?:body|value|secret-string)|-b)[ =]{_V}",
    rf"\baws[ \t]+configure[ \t]+set[ \t]+\w*secret\w*[ \t]+{_V}",
    rf"\b(?:vault|doppler|consul|hcp|snyk|sentry-cli|huggingface-cli|wandb)[ \t]+(?:auth|login)[ \t]+(?:-\S+[ \t]+)?{_V}",
    rf"\bconfig[ \t]+(?:set[ \t]+)?\S*(?:_authToken|_password|_auth|pypi-token\S*|github-oauth\S*)[ \t=]+{_V}",
    rf"\bhttp-basic\S*[ \t]+\S+[ \t]+{_V}",
    rf"\bConvertTo-SecureString\b[ \t]+(?:-String[ \t]+)?{_V}",
    r"\bexpect\b[^\n]{0,80}assword[^\n]{0,20}\n[ \t]*send\b[ \t]+(?:--[ \t]+)?\"([^\"\n\\$]{4,64})",
    # Any program, by the name of its option.
    rf"(?:^|[\s\"'`])--?(?:[a-z0-9]+-){{0,3}}(?:{LOGIN_WORDS}|pass(?:in|out)?|passphrase|sudo-pass)(?:[ \t]+|=){_V}",
)
_COMMAND = Pattern("(?m)" + "|".join(_COMMANDS), ignore_case=False)
_OPTION = Pattern(
    rf"(?:^|[\s\"'`])--?((?:[a-z0-9]+[-_.]){{0,3}}(?:token|secret|api-?key|access-?key|secret-?key|auth-?key|key)(?:-value)?)(?:[ \t]+|=){_V}",
)
_DIRECTIVES = (
    # Lines of two words: muttrc, esmtp, msmtp, redis, slapd, pppd, fetchmail.
    rf"^[ \t]*(?:[\w-]{{1,20}}[ \t]+)?(?:\w{{0,12}}(?:{LOGIN_WORDS}|requirepass|masterauth|sasl_secret|secret))[ \t]+{_V}[ \t]*(?:#.*)?$",
    rf"\blogin[ \t]+[\"']?\S+[ \t]+pass(?:word)?[ \t]+{_V}",
    # Network devices.
    rf"\b(?:password|secret|key|psk|key-string|md5|auth-password|priv-password)[ \t]+(?:\d{{1,2}}|encrypted|plain-text|ascii-text|hex)[ \t]+{_V}[ \t]*(?:[a-z].*)?$",
    rf"^[ \t]*(?:username|user|enable)\b[^\n]{{0,80}}\b(?:secret|password)[ \t]+{_V}[ \t]*$",
    rf"\bsnmp-server[ \t]+community[ \t]+{_V}|^[ \t]*r[ow]community6?[ \t]+{_V}",
    rf"\bpre-shared-key[ \t]+(?:\w{{1,12}}[ \t]+)?{_V}",
    r"\bjdbc:oracle:\w+:[\w.]+/([^@\s/]+)@",
    r"\bWIFI:[^\n]{0,120}?;P:([^;\n]{5,63});",
    # A text file of a firewall, WireGuard, a modem.
    r"^[ \t]*PrivateKey[ \t]*=[ \t]*([A-Za-z0-9+/]{43}=)[ \t]*$|^[ \t]*PresharedKey[ \t]*=[ \t]*([A-Za-z0-9+/]{43}=)[ \t]*$",
)
_DIRECTIVE = Pattern("(?m)" + "|".join(_DIRECTIVES))


def commands(text: str) -> Iterator[Match]:
    """Yield the passwords among the options and operands of programs."""
    for span in _COMMAND.find(text):
        start, end = max(span.groups)
        value = text[start:end]
        if (
            len(value) <= _MAX_CHARS
            and not value.startswith(_NO_VALUE)
            and (is_password(value) or _NUMBER.fullmatch(value))
        ):
            yield secret_at(start, end, LIKELY)
    for span in _OPTION.find(text):
        start, end = max(span.groups[1:])
        if is_secret(text[slice(*span.groups[0])], text[start:end]):
            yield secret_at(start, end, LIKELY)


def directives(text: str) -> Iterator[Match]:
    """Yield the passwords in lines of configuration files without a sign between name and value."""
    for span in _DIRECTIVE.find(text):
        start, end = max(span.groups)
        if is_password(text[start:end]):
            yield secret_at(start, end, PROBABLE)


PROGRAMS = (
    r"curl|\bhttps?[ \t]|\bxh[ \t]|mysql|mariadb|sshpass|7z|unrar|\brar\b|plink|pscp|psftp|docker|podman|helm|\boc\b|\baz\b|argocd|mongo"
    r"|ncftp|twine|flyway|nuget|skopeo|buildah|login|sqlcmd|\bbcp\b|ipmitool|\bosql|\bisql|\bzip\b|unzip|mosquitto|redis-cli|rclone|ldap|snmp"
    r"|smbclient|rpcclient|lftp|freerdp|cmdkey|runas|\bnet[ \t]+use|sqlplus|echo[ \t]|htpasswd|openssl|keytool|jarsigner|--from-literal|secret"
    r"|aws[ \t]+configure|vault|_auth|http-basic|ConvertTo-SecureString|\bexpect\b|(?:^|[\s\"'`])--?[a-z0-9-]*(?:pass|pwd|token|secret|key|password)"
)
DIRECTIVES = rf"(?:{LOGIN_WORDS}|requirepass|masterauth|secret|key-string|md5)[ \t]+\S|snmp-server|community|pre-shared-key|wifi:|privatekey|presharedkey|jdbc:oracle"
