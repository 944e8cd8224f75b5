"""Sources of documents: numbers that each module of stdnum calls valid, labelled by the names in its docstring."""

import re
from collections.abc import Iterator
from functools import cache
from random import Random
from types import ModuleType
from typing import cast

from stdnum.exceptions import ValidationError
from stdnum.util import get_number_modules

from benchmarks.privacy_generated.value import Draw, Source

_PERSONS = """
ad.nrt al.nipt ar.cuit ar.dni at.tin at.vnr au.tfn be.bis be.eid be.nn be.ssn bg.egn bg.pnf br.cpf ca.bc_phn ca.sin
ch.ssn cl.rut cn.ric co.nit cr.cpf cr.cr cu.ni cz.rc de.idnr de.stnr dk.cpr do.cedula dz.nif ec.ci ee.ik eg.tn es.dni
es.nie es.nif fi.hetu fi.veronumero fo.vn fr.nif fr.nir gb.nhs gb.upn gb.utr gh.tin gn.nifp gr.amka gr.vat gt.nit
hr.oib id.nik id.npwp ie.pps il.idnr in_.aadhaar in_.epic in_.pan in_.vid is_.kennitala it.codicefiscale jp.in_ ke.pin
kr.rrn li.peid lt.asmens mu.nid mx.curp mx.rfc my.nric mz.nuit nl.bsn nl.identiteitskaartnummer nl.onderwijsnummer
no.fodselsnummer nz.ird pe.cui pk.cnic pl.nip pl.pesel pt.cc pt.nif ro.cnp ru.inn se.personnummer si.emso sk.rc sv.nit
th.pin th.tin tr.tckimlik tr.vkn ua.rntrc us.atin us.itin us.ptin uy.rut ve.rif vn.mst za.idnr za.tin
"""
"""Numbers that a natural person can have: NATIONAL_ID."""
_FIRMS = """
at.businessid at.uid au.abn au.acn az.voen be.vat bg.vat br.cnpj by.unp ca.bn ch.uid ch.vat cn.uscc cr.cpj cy.vat cz.dic
de.handelsregisternummer de.vat dk.cvr do.rnc ec.ruc ee.kmkr ee.registrikood es.cif eu.oss eu.vat fi.alv
fi.associationid fi.ytunnus fr.rcs fr.siren fr.siret fr.tva gb.vat hu.anum ie.vat il.hp in_.gstin is_.vsk it.iva jp.cn
kr.brn lei lt.pvm lu.tva lv.pvn ma.ice mc.tva md.idno me.pib mk.edb mt.vat nl.btw no.mva no.orgnr pe.ruc pl.regon py.ruc
ro.cf ro.cui ro.onrc rs.pib ru.ogrn se.orgnr se.vat sg.uen si.ddv si.maticna sk.dph sm.coe sn.ninea th.moa tn.mf tw.ubn
ua.edrpou us.ein us.tin vatin
"""
"""Numbers of firms: neither right nor wrong as NATIONAL_ID, and counted apart."""
_BANKS = "ar.cbu cz.bankaccount es.ccc no.kontonr nz.bankaccount us.rtn"
_IBANS = "be.iban es.iban iban me.iban no.iban"
_NOBODYS = """
at.postleitzahl be.ogm_vcs bic casrn cfi ch.esr cusip de.leitweg de.wkn do.ncf ean es.cae es.cups es.postal_code
es.referenciacatastral eu.at_02 eu.banknote eu.ecnumber eu.eic eu.excise eu.nace figi fr.accise gb.sedol grid gs1_128
imei imo isan isbn isil isin ismn isni iso11649 iso6346 isrc issn it.aic meid nl.brin nl.postcode se.postnummer
"""
"""Numbers of things, papers, places and devices."""
_OTHER = frozenset({"us.ssn", "bitcoin", "mac", "imsi", "damm", "luhn", "verhoeff"})
"""Drawn elsewhere, or no document."""
_BARE_LENGTH = 9
"""From so many signs on, a value with a check digit is also written without any label."""
_TRIES = 6_000
"""Numbers that are tried for one module."""
_KEPT = 24
"""Numbers that are drawn from for one module."""
_VALID = re.compile(r"^\s*>>> (?:\w+\.)?(?:validate|compact|format)\('([^']+)'\)", re.MULTILINE)


def sources() -> Iterator[Source]:
    """Yield a source for each module and way of writing."""
    kinds = {
        **dict.fromkeys(_PERSONS.split(), ("NATIONAL_ID", "document of stdnum", ())),
        **dict.fromkeys(_FIRMS.split(), (None, "number of a firm", ("NATIONAL_ID", "BANK_ACCOUNT"))),
        **dict.fromkeys(_BANKS.split(), ("BANK_ACCOUNT", "account of stdnum", ())),
        **dict.fromkeys(_IBANS.split(), ("IBAN", "IBAN", ())),
        **dict.fromkeys(_NOBODYS.split(), (None, "number of a thing", ())),
    }
    for found in get_number_modules():
        module = cast(ModuleType, found)
        name = module.__name__.removeprefix("stdnum.")
        if name in _OTHER or name.startswith("iso7064") or not examples(module):
            continue
        kind, title, also = kinds[name]
        for writing in _writings(module, title):
            yield Source(
                name=f"stdnum {name}",
                kind=title if not kind else f"{title}, {writing}",
                type=kind,
                draw=_draw(module, writing),
                labels=names_of(module),
                is_evident=kind == "IBAN",
                also=also,
            )


def names_of(module: ModuleType) -> tuple[str, ...]:
    """Return the names of a document: those of the first line of a module's docstring."""
    line = (module.__doc__ or "").strip().splitlines()[0].rstrip(".")
    names = re.split(r"[(),]| or ", line.replace('"', ""))
    kept = [name.strip().removeprefix("the ") for name in names]
    return tuple(name for name in kept if 2 <= len(name) <= 50 and not name.startswith("sometimes"))


@cache
def examples(module: ModuleType) -> tuple[str, ...]:
    """Return the numbers of a module's docstring that it calls valid."""
    return tuple(
        dict.fromkeys(text for text in _VALID.findall(module.__doc__ or "") if is_valid(module, text))
    )


def is_valid(module: ModuleType, text: str) -> bool:
    """Whether a module calls a number valid; some look up a place of birth that they do not know."""
    try:
        module.validate(text)
    except (ValidationError, KeyError):
        return False
    return True


def has_check_digit(module: ModuleType) -> bool:
    """Whether one changed digit makes most numbers of a module invalid."""
    text = next(iter(examples(module)))
    at = [index for index, sign in enumerate(text) if sign.isdigit()]
    changed = [f"{text[:i]}{(int(text[i]) + 1) % 10}{text[i + 1 :]}" for i in at]
    return sum(is_valid(module, each) for each in changed) * 2 < len(changed)


def _writings(module: ModuleType, title: str) -> tuple[str, ...]:
    if title == "number of a thing" or not hasattr(module, "format"):
        return ("as documented",)
    return ("compact", "grouped", "other groups")


def _draw(module: ModuleType, writing: str) -> Draw:
    def draw(random: Random) -> str:
        text = random.choice(valid_numbers(module))
        compact = str(module.compact(text)) if hasattr(module, "compact") else text
        match writing:
            case "compact":
                return compact
            case "grouped":
                return str(module.format(compact))
            case "other groups":
                return regrouped(compact, random)
        return text

    return draw


@cache
def valid_numbers(module: ModuleType) -> tuple[str, ...]:
    """Return valid numbers: examples with some signs drawn anew, until the check digits are right."""
    random = Random(module.__name__)
    kept = [*examples(module)]
    for tried in range(_TRIES):
        example = random.choice(kept)
        signs = [*example]
        at = [index for index, sign in enumerate(example) if sign.isdigit()]
        for index in random.sample(at, min(len(at), 3 + tried % 4)):
            signs[index] = random.choice("0123456789")
        if (text := "".join(signs)) not in kept and is_valid(module, text):
            kept.append(text)
            if len(kept) == _KEPT:
                break
    return tuple(kept)


def regrouped(text: str, random: Random) -> str:
    """Return a number in groups that nobody prescribes: of three or four, by a space, a dash or a dot."""
    size, mark = random.choice((3, 4)), random.choice((" ", "-", ".", " "))
    return mark.join(text[at : at + size] for at in range(0, len(text), size))
