"""What providers say in words when they refuse, and what it means to us: a written list of phrases.

A phrase is a regular expression in which a space stands for any run of spaces, `_` and `-`, and `…` for up to
60 characters of one sentence; it begins at the beginning of a word. Runs are one space before the search, and
every gap is bounded, so the time to search is linear in the text, which a provider chooses.

Sources: as of `cloud_codes.py`.
"""

import re
from typing import Final

from gateway.backends.http.codes import Kind
from gateway.errors import (
    BackendCredentials,
    BackendModelMissing,
    BackendOverAllowance,
    BackendQuotaUsedUp,
    BackendRateLimited,
    ContentFiltered,
    ContextTooLong,
    JsonNotAsked,
    NotCapable,
)

_OVER_ALLOWANCE = r"""
can only afford
requires more credits
fewer max tokens
"""
"""One request that our account cannot pay, while smaller ones may go."""

_RATE = r"""
rate limit
too many requests
throttl
slow down
[rtq]p[mdsh]\b
(per|a|every) (minute|min|second|sec|hour|day)\b
(concurren|parallel)…(limit|exceed|too many)
(请求过于频繁|请求频率|限流|并发|zu viele anfragen|trop de requêtes|demasiadas solicitudes|muitas requisições)
(troppe richieste|リクエストが多すぎ|요청이 너무 많|слишком много запросов)
"""

_CREDENTIALS = r"""
(api|access|auth\w*|secret|bearer|security) ?(key|token)s?\b…(invalid|incorrect|not valid|expired)
(api|access|auth\w*|secret|bearer|security) ?(key|token)s?\b…(missing|required|not provided)
(api|access|auth\w*|secret|bearer|security) ?(key|token)s?\b…(not exist|not found|not recogni[sz]ed|unknown)
(api|access|auth\w*|secret|bearer|security) ?(key|token)s?\b…(revoked|disabled|deactivated|blocked|leaked)
(api|access|auth\w*|secret|bearer|security) ?(key|token)s?\b…(wrong|malformed|inactive|not active)
(invalid|incorrect|wrong|bad|unknown|not valid)\b…(api ?key|access token|auth\w* token|credential)
(missing|no|expired|revoked|without|provide)\b…(api ?key|access token|auth\w* token|credential)
(invalid|missing|no|failed)\b…(authenticat|authoriz|bearer)
authentication (fail|required|error)
(unauthori[sz]ed|unauthenticated|not authori[sz]ed|access denied)
permissions? (denied|to|for)
insufficient (permission|scope)
(not|don.t|doesn.t|without) have…(permission|access)
(key|token) (has|is) (been )?(expired|revoked|disabled|inactive|not active)
country, region
(location|region|country) is not supported
(account|organi[sz]ation|project|team)\b…(suspended|deactivated|disabled|terminated|banned|locked)
(无效的令牌|身份验证|鉴权失败|密钥无效)
"""

_QUOTA = r"""
(insufficient|not enough|no|low|out of|any|negative|zero)\b…(balance|credit|funds|quota)
(balance|credits?|funds|quota|allowance)\b…(too low|insufficient|exhausted|depleted|used up|exceeded|run out)
(balance|credits?|funds|quota|allowance)\b…(not enough|expired|empty|negative|reached)
exceeded your (current )?quota
payment required
billing
(spend\w*|monthly|budget|usage|cost) (limit|cap)
(purchase|buy|add) (more )?(credit|fund)
(top up|recharge|in arrears|overdue)
free (tier|trial|plan|quota)…(exhausted|ended|expired|used up|is over)
(余额|欠费|额度|充值)
"""

_FILTER = r"""
content (policy|filter|management|moderation|safety|exists risk|guideline)
inappropriate
flagged\b
moderation
(prompt|input|output|response|completion)\b…filtered
(safety|policy) (violat|concern)
responsible ai
safety (system|filter|polic|setting|check|reason|guideline)
guardrail
(violat|against|breach)\w*\b…(polic|guideline|terms)
usage (policies|guidelines)
sensitive (word|content|information|material)
(prohibited|harmful|unsafe|disallowed|illegal) content
blocked (by|due to|for)\b…(content|safety|filter|polic)
(敏感|违规|不安全|不合规|审核|不適切|コンテンツポリシー|부적절)
"""

_LENGTH = r"""
context (length|window|size|limit)
exceed\w*\b…context
(prompt|input|request|messages?|text|conversation)\b…too (long|large|big)
(payload|entity|body|contents?|request)\b…(too (long|large|big)|size limit)
too (long|large|big)\b…(prompt|input|request|model)
max(imum)? ((allowed|total|number of|model) )?(input|prompt|context|model|seq\w*)s? ?(len|token|size|lim)
max(imum)? ((allowed|total|number of|model) )?(message|request|token)s? ?(len|size|lim|count)
max(imum)? (allowed |total |number of |supported )+tokens?
too many (\w+ )?tokens
tokens?( count| limit)?\b…(exceed|limit of|maximum|more than|over the)
exceed\w*\b…(tokens?\b|length|maximum size)
reduce (the|your) (length|prompt|message|input|number)
shorten (the|your)
(input|prompt|sequence) length
(longer|larger|greater) than\b…(context|model|length|token)
max ((new|completion|output) )?tokens\b…(must be|too large|at most|less than|greater than)
(less|fewer|shorter|smaller) than\b…(token|context|n ctx|length)
(only|at most|no more than|up to)\b…[0-9]…(token|context)
tokens?\b…(only|at most|no more)\b…[0-9]
(prompt|input|context|tokens?|length)\b…(must|may|can|should) ?not (exceed|be (longer|larger|more|greater))
(input|prompt|context|request|message) ?too ?(long|large)
(zu lang|kontextlänge|longueur maximale|dépasse…contexte|longitud máxima|(supera|excede)…contexto)
(tamanho máximo|lunghezza massima|長すぎ|コンテキスト長|너무 (길|깁)|컨텍스트|длин[аыу] контекста)
(上下文|超长|输入过长|长度超|长度限|长度不能超)
"""

_JSON_NOT_ASKED = r"""
(must|should|needs? to) (contain|include|mention)…word…json
"""
"""Said by OpenAI, Azure, Groq, DeepSeek and Alibaba of `json_object`, where no message speaks of JSON."""

_PARAMETER = r"""
extra (inputs|fields|forbidden)
additional properties
cannot find field
not (one of|among) the (accepted|allowed|permitted|supported)
(unsupported|unknown|unrecogni[sz]ed|unexpected|extra)\b…(parameter|argument|field|propert|keyword|name)
(parameter|argument|field|propert|option)\w*\b…not (be )?(supported|permitted|allowed|recogni[sz]ed)
(parameter|argument|field|propert|option)\w*\b…(unsupported|unknown|unrecogni[sz]ed|unexpected|unavailable)
(does not|doesn't|do not|don't|not yet) support
(not supported|unsupported)
(temperature|top p|seed|response format|stream options)\b…(deprecated|unavailable|not available|only)\b
不支持
"""

_MODEL = r"""
models?\b…(not found|not exist|n't exist|not available|unavailable|unknown)
models?\b…(invalid|not (a )?valid|not supported)
(not|no)( a)? valid model
models?\b…(deprecated|decommissioned|retired|not loaded|unloaded|not enabled|no longer|not recogni[sz]ed)
(invalid|unknown|no such|not a valid|unrecogni[sz]ed|unsupported|could not find|cannot find) (\w+ )?model
no (endpoints|allowed providers|available channel)
deployment\b…not
no such (deployment|model)
(模型不存在|模型未找到|无可用渠道)
"""


class Phrases:
    """The phrases of one meaning."""

    def __init__(self, phrases: str) -> None:
        alternatives = "|".join(phrases.strip().splitlines())
        self._pattern = re.compile(rf"(?<![a-z0-9])(?:{alternatives})".replace("…", _GAP))

    def is_in(self, words: str) -> bool:
        """Say whether one of them is in words in lower case."""
        return self._pattern.search(_RUN.sub(" ", words)) is not None


_RUN = re.compile(r"[\s_-]+")
_GAP = r"(?:[^.]|\.(?! )){0,60}?"

MONEY: Final = Phrases(_QUOTA)
LENGTH: Final = Phrases(_LENGTH)

PHRASES: Final[tuple[tuple[Kind, Phrases], ...]] = (
    (BackendOverAllowance, Phrases(_OVER_ALLOWANCE)),
    (BackendRateLimited, Phrases(_RATE)),
    (BackendCredentials, Phrases(_CREDENTIALS)),
    (BackendQuotaUsedUp, MONEY),
    (ContentFiltered, Phrases(_FILTER)),
    (ContextTooLong, LENGTH),
    (JsonNotAsked, Phrases(_JSON_NOT_ASKED)),
    (NotCapable, Phrases(_PARAMETER)),
    (BackendModelMissing, Phrases(_MODEL)),
)
"""What the words of a refusal mean, in lower case; the first that is found counts."""
