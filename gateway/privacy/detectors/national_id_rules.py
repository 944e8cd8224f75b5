"""One rule per kind of national number: its shape, its check, and its names."""

from stdnum import verhoeff
from stdnum.ar import cuit
from stdnum.at import vnr
from stdnum.au import abn, acn, tfn
from stdnum.be import nn
from stdnum.bg import egn
from stdnum.br import cnpj, cpf
from stdnum.ca import sin
from stdnum.ch import ssn as ch_ssn
from stdnum.cl import rut
from stdnum.cn import ric
from stdnum.cz import rc
from stdnum.de import idnr as de_idnr
from stdnum.dk import cpr
from stdnum.ec import ci
from stdnum.ee import ik
from stdnum.es import nie
from stdnum.eu import vat
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs, utr
from stdnum.gr import amka
from stdnum.hr import oib
from stdnum.id import nik
from stdnum.ie import pps
from stdnum.il import idnr as il_idnr
from stdnum.in_ import epic, gstin
from stdnum.is_ import kennitala
from stdnum.it import codicefiscale, iva
from stdnum.jp import in_ as jp_in
from stdnum.kr import brn
from stdnum.lt import asmens
from stdnum.mx import curp, rfc
from stdnum.my import nric as my_nric
from stdnum.nl import bsn
from stdnum.no import fodselsnummer
from stdnum.nz import ird
from stdnum.pl import nip, pesel, regon
from stdnum.pt import nif
from stdnum.ro import cnp
from stdnum.se import orgnr, personnummer
from stdnum.sg import uen
from stdnum.si import emso
from stdnum.th import pin
from stdnum.tr import tckimlik
from stdnum.za import idnr as za_idnr

from gateway.privacy.detector import CHECKED, FAINT, LIKELY, PROBABLE
from gateway.privacy.detectors.national_id_checks import (
    is_aadhaar,
    is_any,
    is_australian_medicare,
    is_dated,
    is_dea,
    is_german_document,
    is_german_health,
    is_german_pension,
    is_itin,
    is_mod_11_10,
    is_nino,
    is_npi,
    is_nric,
    is_philippine_tin,
    is_plain_nino,
    is_spanish,
    is_upper_pan,
)
from gateway.privacy.detectors.national_id_rule import NOTHING, IdRule

_UNION = "AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK"
_NINO_START = "[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]"

RULES: tuple[IdRule, ...] = (
    # Europe
    IdRule(
        shape=rf"{_NINO_START} ?(?:\d{{2}} ?\d{{2}} ?\d{{2}}|\d{{3}} ?\d{{3}}) ?[A-D]",
        is_valid=is_plain_nino, named=is_nino, sole=is_nino,
        words="nino|national insurance|ni(?: number)?", alone=LIKELY, whole=LIKELY,
    ),
    IdRule(shape=r"\d{3}[ -]?\d{3}[ -]?\d{4}", is_valid=nhs.is_valid, words="nhs"),
    IdRule(shape=r"\d{10}", is_valid=utr.is_valid, words="utr|unique taxpayer"),
    IdRule(
        shape=r"\d{7}[A-W][A-IW]?", is_valid=pps.is_valid,
        words="ppsn?|personal public service",
    ),
    IdRule(
        shape=r"\d{2} ?\d{3} ?\d{3} ?\d{3}", is_valid=de_idnr.is_valid,
        named=is_mod_11_10, words="steuer[a-z-]*|idnr|tin|tax id(?:entification)?(?: number)?",
    ),
    IdRule(
        shape=rf"(?:{_UNION})U?[0-9A-Z]{{0,2}}\d{{6,12}}[0-9A-Z]{{0,3}}",
        is_valid=vat.is_valid, sole=is_any, words=NOTHING, alone=FAINT,  # Firms print theirs on every bill.
    ),
    IdRule(shape=r"\d{7,8}-?[A-Z]", is_valid=is_spanish, words="dni|nif", alone=LIKELY),
    IdRule(shape=r"[XYZ][ -]?\d{7}[ -]?[A-Z]", is_valid=nie.is_valid, words="nie", alone=LIKELY),
    IdRule(
        shape=r"[12] ?\d{2} ?\d{2} ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}", is_valid=nir.is_valid,
        words="nir|s[eé]curit[eé] sociale|num[eé]ro de s[eé]cu", alone=LIKELY,
    ),
    IdRule(
        shape=r"[A-Z]{6}[0-9LMNPQRSTUV]{2}[A-EHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]",
        is_valid=codicefiscale.is_valid, words="codice fiscale", alone=CHECKED,
    ),
    IdRule(shape=r"\d{11}", is_valid=iva.is_valid, words=r"partita iva|p\.? ?iva|vat"),
    IdRule(shape=r"\d{9}", is_valid=nif.is_valid, words="nif|contribuinte"),
    IdRule(
        shape=r"\d{9}|\d{4}\.\d{2}\.\d{3}", is_valid=bsn.is_valid,
        words="bsn|burgerservicenummer|sofi(?:nummer)?",
    ),
    IdRule(
        shape=r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}",
        is_valid=nn.is_valid, words="rijksregister[a-z]*|registre national",
        alone=LIKELY,
    ),
    IdRule(shape=r"756\.\d{4}\.\d{4}\.\d{2}", is_valid=ch_ssn.is_valid, words="ahv|avs", alone=CHECKED),
    IdRule(
        shape=r"\d{4} ?\d{6}", is_valid=vnr.is_valid,
        words="svnr|sozialversicherung[a-z]*|versicherungsnummer",
    ),
    IdRule(
        shape=r"(?:\d{2})?\d{6}[+-]\d{4}",
        is_valid=personnummer.is_valid, words="personnummer|personal number",
        alone=PROBABLE,
    ),
    IdRule(shape=r"\d{6}-?\d{4}", is_valid=cpr.is_valid, words="cpr|personnummer"),
    IdRule(
        shape=r"\d{6}[+A-FU-Y-]\d{3}[0-9A-Y]", is_valid=hetu.is_valid,
        words="henkil[oö]tunnus|hetu", alone=LIKELY,
    ),
    IdRule(shape=r"\d{6} ?\d{5}", is_valid=fodselsnummer.is_valid, words="f[oø]dselsnummer|personnummer"),
    IdRule(shape=r"\d{6}-?\d{4}", is_valid=kennitala.is_valid, words="kennitala"),
    IdRule(shape=r"[1-8]\d{10}", is_valid=ik.is_valid, words="isikukood|personal (?:id )?code"),
    IdRule(shape=r"[1-9]\d{10}", is_valid=asmens.is_valid, words="asmens kodas|personal code"),
    IdRule(shape=r"\d{11}", is_valid=pesel.is_valid, words="pesel[a-z]*"),
    IdRule(
        shape=r"\d{3}-?\d{3}-?\d{2}-?\d{2}|\d{3}-\d{2}-\d{2}-\d{3}",
        is_valid=nip.is_valid, words="nip(?:-?u|em)?",
    ),
    IdRule(shape=r"\d{9}(?:\d{5})?", is_valid=regon.is_valid, words="regon[a-z]*"),
    IdRule(shape=r"[A-Z]{3} ?\d{6}", is_valid=is_any, words="dow[oó]d[a-z]*|dowodu osobistego", whole=0.0),
    IdRule(shape=r"\d{6}/\d{3,4}", is_valid=rc.is_valid, words="rodn[eé] .[ií]slo", alone=PROBABLE),
    IdRule(shape=r"[1-9]\d{12}", is_valid=cnp.is_valid, words="cnp|cod numeric personal"),
    IdRule(shape=r"\d{10}", is_valid=egn.is_valid, words="egn"),
    IdRule(shape=r"\d{11}", is_valid=oib.is_valid, words="oib"),
    IdRule(shape=r"\d{13}", is_valid=emso.is_valid, words="em.o|jmbg"),
    IdRule(shape=r"\d{11}", is_valid=amka.is_valid, words="amka"),
    IdRule(shape=r"[1-9]\d{10}", is_valid=tckimlik.is_valid, words=r"kimlik|tckn|t\.?c\.?"),
    IdRule(
        shape=r"[A-Z9]{5}\d[0156]\d[0-3]\d\d[A-Z9]{2}[0-9A-Z][A-Z]{2}", is_valid=is_any,
        words="licen[cs]e|dvla",
        alone=LIKELY,
    ),
    IdRule(
        shape=r"\d{2} ?[0-3]\d[01]\d{3} ?[A-Z] ?\d{3}", is_valid=is_german_pension, named=is_any,
        words="rentenversicherung[a-z]*|sozialversicherung[a-z]*|rvnr|svnr", alone=PROBABLE,
    ),
    IdRule(
        shape=r"[CFGHJKLMNPRTVWXYZ][CFGHJKLMNPRTVWXYZ0-9]{8}\d", is_valid=is_german_document, named=is_any,
        words="(?:personal)?ausweis[a-z]*|reisepass[a-z]*",
    ),
    IdRule(
        shape=r"[A-Z]\d{9}", is_valid=is_german_health, named=is_any,
        words="krankenversicher[a-z]*|krankenkasse[a-z]*|kvnr|versicherten[a-z]*",
    ),
    IdRule(
        shape=r"[A-Z]{2}\d{7}[A-Z]|U1[0-9A-Z]{7}[A-Z]|[A-Z]{2}\d{5}[A-Z]{2}",
        is_valid=is_any, sole=str.isupper,
        words="patente(?: di guida)?|carta d'identita?|documento",
    ),
    IdRule(
        shape=r"[A-Z]{2} ?\d{7}|[A-Z]{2}\d{5}[0-9A-Z]{2}|[A-Z]\d{8}", is_valid=is_any,
        words="passaporto|carta d'identita?|patente|ausweis[a-z]*|personalausweis[a-z]*", whole=0.0,
    ),
    IdRule(
        shape=r"\d{6}-\d{4}",
        is_valid=orgnr.is_valid, words="org(?:anisations)?(?:nummer|nr)?", alone=PROBABLE,
    ),
    IdRule(
        shape=r"[A-Z]{1,3}[ -]?\d{6,8}|\d{9}|[A-Z]\d{3}[A-Z]\d{4}|[A-Z]{2}\d[ -]?\d{6}", is_valid=is_any,
        words="passports?|passport[a-z]*|paszport[a-z]*|reisepass|pasaporte|passeport", whole=0.0,
    ),
    IdRule(
        shape=r"\d{5}/\d{2}/\d{4}|\d{2}[ -]?\d{7}", is_valid=is_any,
        words="praw[oa] jazdy|prawem jazdy", whole=0.0
    ),
    # America
    IdRule(
        shape=r"[1-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d-?[AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d"
        r"-?[AC-HJKMNP-RT-Y]{2}\d{2}",
        is_valid=str.isupper, words="mbi|medicare", alone=LIKELY,
    ),
    IdRule(shape=r"[12]\d{9}", is_valid=is_npi, words="npi|national provider"),
    IdRule(shape=r"[ABFGMPR][A-Z9]\d{7}", is_valid=is_dea, words="dea|prescriber", alone=PROBABLE),
    IdRule(shape=r"9\d{2}-\d{2}-\d{4}|9\d{8}", is_valid=is_itin, words="itin|taxpayer"),
    IdRule(shape=r"9\d{2}-\d{2}-\d{4}", is_valid=is_itin, words="itin", alone=LIKELY),
    IdRule(shape=r"\d{3}[ -]?\d{3}[ -]?\d{3}", is_valid=sin.is_valid, words="sin|social insurance"),
    IdRule(shape=r"\d{3}\.\d{3}\.\d{3}-\d{2}", is_valid=cpf.is_valid, words="cpf", alone=CHECKED),
    IdRule(shape=r"\d{11}", is_valid=cpf.is_valid, words="cpf"),
    IdRule(shape=r"\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}", is_valid=cnpj.is_valid, words="cnpj", alone=LIKELY),
    IdRule(
        shape=r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[A-Z0-9]\d", is_valid=curp.is_valid,
        words="curp", alone=CHECKED,
    ),
    IdRule(shape=r"[A-Z&]{3,4}\d{6}[A-Z0-9]{3}", is_valid=rfc.is_valid, words="rfc"),
    IdRule(shape=r"\d{2}-\d{8}-\d", is_valid=cuit.is_valid, words="cui[tl]", alone=LIKELY),
    IdRule(shape=r"\d{1,2}\.\d{3}\.\d{3}-[\dK]", is_valid=rut.is_valid, words="ru[tn]", alone=LIKELY),
    IdRule(shape=r"\d{7,8}-[\dK]", is_valid=rut.is_valid, words="ru[tn]"),
    IdRule(shape=r"\d{10}", is_valid=ci.is_valid, words="c[eé]dula"),
    # Asia, Africa, Oceania
    IdRule(
        shape=r"[2-9]\d{3}[ :-]\d{4}[ :-]\d{4}",
        is_valid=is_aadhaar, words="a+dhaa?r|uidai|uid", alone=PROBABLE,
    ),
    IdRule(shape=r"[2-9]\d{11}", is_valid=is_aadhaar, words="a+dhaa?r|uidai|uid"),
    IdRule(
        shape=r"[A-Z]{5}\d{4}[A-Z]",
        is_valid=is_upper_pan, named=is_any, sole=str.isupper, words="pan|permanent account", alone=PROBABLE,
    ),
    IdRule(
        shape=r"[A-Z]{3}\d{7}",
        is_valid=epic.is_valid, named=is_any, words="vot(?:e|er|ing)|epic|elector",
    ),
    IdRule(
        shape=r"\d{17}[\dX]", is_valid=ric.is_valid,
        words="resident identity|id card|identity", alone=LIKELY,
    ),
    IdRule(shape=r"\d{6}-[1-8]\d{6}", is_valid=is_dated, words="rrn", alone=LIKELY),
    IdRule(shape=r"\d{6}-?[1-8]\d{6}", is_valid=is_dated, words="rrn|frn|resident registration|korean"),
    IdRule(shape=r"\d-\d{4}-\d{5}-\d{2}-\d", is_valid=pin.is_valid, words="thai", alone=LIKELY),
    IdRule(shape=r"[STFGM]\d{7}[A-Z]", is_valid=is_nric, words="nric|fin", alone=LIKELY),
    IdRule(
        shape=r"\d{8,9}[A-Z]|[A-Z]\d{2}[A-Z]{2}\d{4}[A-Z]",
        is_valid=uen.is_valid, words="uen", alone=PROBABLE,
    ),
    IdRule(shape=r"\d{6}-\d{2}-\d{4}", is_valid=my_nric.is_valid, words="nric|mykad|ic", alone=PROBABLE),
    IdRule(shape=r"\d{16}", is_valid=nik.is_valid, words="nik|ktp"),
    IdRule(shape=r"\d{4} ?\d{4} ?\d{4}", is_valid=jp_in.is_valid, words="my number|individual number"),
    IdRule(shape=r"\d{3}[ -]?\d{3}[ -]?\d{3}", is_valid=tfn.is_valid, words="tfn|tax file"),
    IdRule(shape=r"\d{2,3}-?\d{3}-?\d{3}", is_valid=ird.is_valid, words="ird"),
    IdRule(shape=r"\d{9}", is_valid=il_idnr.is_valid, words="teudat zehut|israeli id"),
    IdRule(shape=r"\d{13}", is_valid=za_idnr.is_valid, words="id(?: number| no)?|identity|south african?"),
    IdRule(
        shape=r"\d{3}-\d{3}-\d{3}(?:-\d{3,5})?",
        is_valid=is_philippine_tin, words="tin|tax(?:payer)? id[a-z]*", alone=PROBABLE,
    ),
    IdRule(shape=r"\d{9}(?:\d{3}|\d{5})?", is_valid=is_philippine_tin, words="tin|bir", whole=0.0),
    IdRule(shape=r"\d{4} ?\d{5} ?\d", is_valid=is_australian_medicare, words="medicare"),
    IdRule(shape=r"\d{2} ?\d{3} ?\d{3} ?\d{3}", is_valid=abn.is_valid, words="abn|australian business"),
    IdRule(shape=r"\d{3} ?\d{3} ?\d{3}", is_valid=acn.is_valid, words="acn|australian company"),
    IdRule(
        shape=r"\d{2}[A-Z]{5}\d{4}[A-Z][0-9A-Z]Z[0-9A-Z]", is_valid=gstin.is_valid, named=is_any,
        words="gst(?:in)?", alone=LIKELY,
    ),
    IdRule(
        shape=r"\d{3}-\d{2}-\d{5}",
        is_valid=brn.is_valid, words="brn|business registration", alone=LIKELY,
    ),
    IdRule(shape=r"(?:1[1-9]|2[0-8])-\d{2}-\d{6}-\d{2}", is_valid=is_any, words="licen[cs]e", alone=LIKELY),
    IdRule(
        shape=r"(?:1[1-9]|2[0-8])[ -]?\d{2}[ -]?\d{6}[ -]?\d{2}", is_valid=is_any,
        words="driv[a-z']* licen[cs]e",
        whole=0.0,
    ),
    IdRule(shape=r"\d{11}", is_valid=verhoeff.is_valid, words="nin|national identi[a-z]*", whole=0.0),
    IdRule(shape=r"\d{4}-\d{7}-\d|\d{2}-\d{7}-\d", is_valid=is_any, words="umid|crn|sss|philhealth|gsis"),
)  # fmt: skip
"""All rules; bare digits need a name, because one in eleven has a valid check digit by chance."""
