"""Words that name or announce a telephone number, in the languages that are written in Latin letters.

Patterns see a question mark for a letter beyond Latin-1. Words of other scripts are translated before, see
`other_scripts`.
"""

from gateway.domain.text.pattern import Pattern

NOUNS = (
    r"(?:tele)?phones?|phone ?no|tel(?:nr|no|n|p|f|\.?nr)?|fon|telephon|telefon[a-z?]{0,6}|t[eé]l[eé]phone"
    r"|t[eé]l|t[eèé]l[eèé]fon[aeo]?|telefoon(?:nummer)?|telefonsz[aá]m|telefonn[iíy?]\w{0,3}|telepono|telepon"
    r"|telem[oó]vel|t.lrunis|puhelin(?:numero)?|puh|tlf|tfn|mobiles?|mob|m[oó]vil|mobil(?:e|ni|n[iy?]|tel|nummer)?"
    r"|mobiel(?:nummer)?|matkapuhelin|cell(?:ular|phone)?|celular|cellulare|kom[oó]rk[aie]?|kom[oó]rkowy|handy"
    r"|(?:handy|fax|ruf|mobil|telefon|festnetz)(?:nr|nummer|numret)|rufnr|natel|gsm|(?:no|nomor) hp|fax"
    r"|telefax|faks|whats ?app|viber|msisdn|sms|desk|n[uú]m[eé]ro (?:de )?portable"
    r"|numero di cellulare|landline|hotline|pager|contact (?:number|no)|rappel"
)
_OWNED = (
    r"(?:my|his|her|their|our|your) (?:(?:new|old|other|private|work|office|home|direct|personal|current"
    r"|[ui][sknr]|emergency) )?number"
    r"|(?:meine|seine|ihre|unsere) (?:neue |private )?nummer|(?:mon|son|notre) (?:nouveau )?num[eé]ro"
    r"|(?:mi|su) (?:nuevo )?n[uú]mero|(?:il )?(?:mio|suo) numero|(?:meu|seu) n[uú]mero|m[oó]j (?:nowy )?numer"
    r"|mijn nummer|mitt? nummer|numaram|m[u?]j [c?][ií?]slo|num.rul meu"
)
_VERBS = (
    r"dial(?:led|ing)?|call(?:ed|ing)?|ring|(?:text(?:ed)?|reach(?:ed)?|contact) (?:me|him|her|them|us)"
    r"|(?:ruf(?:en|t|e)?|erreich(?:en|st|t)) (?:sie )?(?:mich|uns|mir|ihn|sie)|anrufen|erreichbar|telefonisch"
    r"|(?:r?appel|contact|t[eé]l[eé]phon)(?:er|ez|e)[ -](?:moi|nous|le|la|au)|joindre|joignable"
    r"|ll[aá]m(?:ar|e|a)(?:me|nos|lo|le)?|marc(?:ar|ame) (?:el|al)|chiam(?:are|ami|aci|a|i|ate)"
    r"|contatt(?:are|ami)|(?:me|nos) lig(?:ue|a|uem)|lig(?:ue|ar)(?:[ -](?:me|nos|para))"
    r"|bel(?:len)? (?:me|mij|ons|met)|zadzwon?(?:i[ae]?|cie)?|dzwoni[ae]?|dzwon?|ring (?:mig|meg|til)"
    r"|ara(?:y.n|mak|yabilirsiniz)? ?(?:beni|bizi)|h[ií]v(?:j|jon|hat)(?: fel)?|(?:za)?vol(?:ejte|ej)"
    r"|zavolat?|sun[a?][ -](?:ma?|i|ne)|soita(?:kaa)?|hubungi|g\?i (?:s\?|cho|t\?i)"
)
WORDS = rf"(?:{NOUNS}|{_OWNED}|{_VERBS})(?:\b|\?)"
_LABELS = r"portable|port\.|fijo|direct|direkt|durchwahl|gesch[aä]ftlich|b[uü]ro|fisso|cep"
"""Words that name a number only where they are right before it."""
_LINKS = (
    r"me|him|her|us|them|back|is|was|are|at|on|under|to|via|by|now|mich|uns|unter|auf|der|die|das|ist|lautet"
    r"|nummer|nr|moi|nous|au|le|la|les|sur|est|el|al|es|mi|il|o|os|no|n.?|num|numm?er|numbers?|line|pelo|para"
    r"|n[uú]m[eé]ro|n[uú]mero|numero|numer|numeru|pod|do|na|op|het|p[aå]|er|[aä]r|[eé]|jest|to|mnie|mi?g|fel"
    r"|az?|\d{1,2}|home|work|office|mobile|cell|private|privat|house|day(?:time)?|evening|komercial|fax|de|du"
    r"|personal|business|main|alt(?:ernate)?|primary|secondary|emergency|contact|casa|trabajo|bureau|domicile"
)
LABEL = Pattern(
    rf"(?:\b(?:{WORDS}|(?:{_LABELS})(?:\b|:))(?:[ ._-]{{1,2}}\(?(?:{_LINKS})\)?){{0,4}}\.?\)?[\"'`*_]{{0,3}}"
    r"[ \t]?[:=#(>-]{0,2}[\s\"'`*_([]*(?:(?:is|tel:) ?)?)$",
    ignore_case=True,
)
"""Words right before a number, to be matched at the end of the text before it."""
INITIAL = Pattern(r"(?m)(?:^|[|,;\x95\xb7/] ?)[TMPF]: ?\(?$")
"""A letter that stands for such a word in a signature."""
NEXT = Pattern(
    r"^\)?[ \t]?(?:[,;/|&+]|\(?(?:home|work|office|mobile|cell|mobil|fax|privat|h|m|w|o)\)?"
    r"|or|and|oder|und|et|ou|o|y|e|i|lub|albo|of|en|och|og|ja|ve|veya|atau|dan)?[,;]?\n?[ \t]?\(?$",
    ignore_case=True,
)
"""What is between two numbers of a list."""
DOCUMENT = Pattern(
    r"(?:\b|[_\x1f])(?:tax|vat|ust|ein|tin|itin|siren|siret|regist[a-z]*|company|steuer[a-z]*|st\.?-?nr|rut|nit|mst|nip"
    r"|pesel|regon|idnr|zehut|gsis|sss|passport|reisepass|ssn|soc(?:ial)?|insurance|account|acct|konto|iban|plate"
    r"|kennzeichen|meid|imei|equipment|zip|postal|postcode|plz|cas|build|release|revision|version|abn|acn|nhs|bsn"
    r"|dni|nif|cif|cpf|cnpj|personnummer|identi[a-z]*|tribut[a-z]*|fiscal[a-z]*|employer|licen[cs]e|kunden[a-z]*"
    r"|customer|member|policy|id)(?:[ _\x1f.-]{1,2}[a-z?]{1,14}){0,4}[.)]?(?:[ \t]is|,|\))?[\"'`]?"
    r"[ \t]*[:=>#]{0,2}[ \t\[(]*[\"'`]?$",
    ignore_case=True,
)
"""Words right before the number of a document, an account, a firm or a device, which may look like one."""
WORD = Pattern(rf"\b{WORDS}", ignore_case=True)
ANY_WORD = Pattern(
    rf"\b(?:{WORDS}|(?:{_LABELS})(?:\b|:))|(?m:^|[|,;\x95\xb7/] ?)(?-i:[TMPF]):", ignore_case=True
)
