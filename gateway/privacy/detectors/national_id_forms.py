"""Numbers that are known by their form and check digits alone, of the countries that no other rule has.

`chance` is the share of random values of the shape that pass the check; the confidence follows from it.
"""

from collections.abc import Callable

from stdnum.al import nipt
from stdnum.at import tin as at_tin
from stdnum.be import eid, ssn
from stdnum.bg import pnf
from stdnum.ca import bc_phn
from stdnum.ch import ssn as swiss
from stdnum.co import nit
from stdnum.cu import ni
from stdnum.do import cedula
from stdnum.ec import ci
from stdnum.fr import nif
from stdnum.gb import upn
from stdnum.gt import nit as gt_nit
from stdnum.ie import pps
from stdnum.is_ import kennitala
from stdnum.ke import pin
from stdnum.lv import pvn
from stdnum.mu import nid
from stdnum.mx import rfc
from stdnum.nl import bsn
from stdnum.no import fodselsnummer
from stdnum.pk import cnic
from stdnum.pt import cc
from stdnum.py import ruc
from stdnum.ru import inn
from stdnum.sv import nit as sv_nit
from stdnum.ua import rntrc
from stdnum.us import atin
from stdnum.ve import rif
from stdnum.za import idnr

from gateway.privacy.detectors import national_id_checks as checks
from gateway.privacy.detectors.national_id_rule import NOTHING, IdRule, by_chance, whole_by_chance

_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0[1-9]|1[0-2])"


def _rare(shape: str, check: Callable[[str], bool], chance: float, words: str = NOTHING) -> IdRule:
    """Return the rule for a shape with letters, which count in capitals only, or with unusual groups."""
    return IdRule(
        shape=shape,
        is_valid=lambda written: written == written.upper() and check(written),
        named=check,
        words=words,
        alone=by_chance(chance, has_letters="[A-Z" in shape, is_grouped=True),
        whole=whole_by_chance(chance),
    )


def _bare(shape: str, check: Callable[[str], bool], chance: float, words: str = NOTHING) -> IdRule:
    """Return the rule for a shape that also counts, times and order numbers have."""
    return IdRule(
        shape=shape,
        is_valid=check,
        words=words,
        alone=by_chance(chance, has_letters=False, is_grouped=False),
        whole=whole_by_chance(chance),
    )


FORMS: tuple[IdRule, ...] = (
    # Europe
    _rare(r"[A-M]\d{8}[A-W]", nipt.is_valid, 0.05, "nipt|nuis"),
    _rare(r"\d{2}-\d{3}/\d{4}", at_tin.is_valid, 0.04, "steuer[a-z-]*|abgabenkonto[a-z]*"),
    _rare(r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", ssn.is_valid, 0.004, "niss|insz|bis"),
    _bare(r"\d{6}[ -]?\d{3}[ -]?\d{2}", ssn.is_valid, 0.004, "niss|insz|rijksregister[a-z]*"),
    _rare(r"\d{3}-\d{7}-\d{2}", eid.is_valid, 0.008, "eid"),
    _bare(r"\d{10}", pnf.is_valid, 0.1, "lnch|pnf"),
    _bare(r"756\d{10}", swiss.is_valid, 0.0001, "ahv|avs|sozialversicherung[a-z]*"),
    _bare(r"[0-3]\d{12}", nif.is_valid, 0.0005, "spi|num[e\xe9]ro fiscal"),
    _rare(r"[0-3]\d \d{2} \d{3} \d{3} \d{3}", nif.is_valid, 0.001),
    _rare(r"[A-Z]\d{11}[0-9A-Z]", upn.is_valid, 0.003, "upn|pupil"),
    _rare(r"\d{7}[A-W][A-IW]", pps.is_valid, 0.04, "ppsn?"),
    _rare(rf"{_DAY}{_MONTH}\d{{2}}-\d{{4}}", kennitala.is_valid, 0.02, "kennitala"),
    _rare(rf"{_DAY}{_MONTH}\d{{2}}-[012]\d{{4}}", pvn.is_valid, 0.01, "personas kods"),
    _bare(rf"(?:19|20)\d{{2}}{_MONTH}{_DAY}\d{{5}}", checks.is_luxembourgish, 0.0005, "matricule"),
    _bare(rf"{_DAY}{_MONTH}\d{{7}}", fodselsnummer.is_valid, 0.0004, "f[o\xf8]dselsnummer|personnummer|fnr"),
    _rare(rf"[0-7]\d{_MONTH}\d{{2}} \d{{5}}", fodselsnummer.is_valid, 0.01),
    _rare(r"\d{4}\.\d{2}\.\d{3}", bsn.is_valid, 0.1, "bsn"),
    _rare(r"[A-Z]{3} ?\d{6}", checks.is_polish_document, 0.5, r"dow[o\xf3]d[a-z]*"),
    _rare(r"\d{8} \d [A-Z0-9]{2}\d|\d{8}-\d-[A-Z]{2}\d|\d{9}[A-Z]{2}\d", cc.is_valid, 0.1, "cidad[a\xe3]o"),
    _rare(r"\d{3}-\d{3}-\d{3}[ -]\d{2}", checks.is_snils, 0.01, "snils"),
    _bare(r"\d{12}", inn.is_valid, 0.01, "inn|tax id"),
    _bare(r"\d{10}", rntrc.is_valid, 0.1, "rnokpp|tax id"),
    _rare(r"\d{2}[/-]\d{8}[/-]\d{2}|\d{2} \d{8} \d{2}", checks.is_spanish_insurance, 0.01),
    _bare(r"\d{12}", checks.is_spanish_insurance, 0.01, "seguridad social|nuss|nss"),
    _rare(rf"[1-8][ -]\d{{2}}{_MONTH}{_DAY}[ -]\d{{4}}", checks.is_hungarian, 0.02, "szem[e\xe9]lyi"),
    _bare(r"\d{3}[ -]?\d{3}[ -]?\d{3}", checks.is_hungarian_insurance, 0.1, "taj"),
    # America
    _bare(r"9\d{9}", bc_phn.is_valid, 0.09, "phn|health (?:number|card)"),
    _rare(r"[A-Z]{4} \d{4} \d{4}", checks.is_quebecois, 0.1, "ramq|assurance maladie"),
    _rare(r"\d{1,3}(?:\.\d{3}){2}-\d", nit.is_valid, 0.05, "nit"),
    _bare(r"\d{9}-\d", nit.is_valid, 0.1, "nit"),
    _bare(r"\d{11}", ni.is_valid, 0.03, "carn[e\xe9] de identidad"),
    _rare(r"\d{3}-\d{7}-\d", cedula.is_valid, 0.1, "c[e\xe9]dula"),
    _rare(r"\d{9}-\d", ci.is_valid, 0.02, "c[e\xe9]dula"),
    _bare(r"\d{6,7}-[\dK]", gt_nit.is_valid, 0.1, "nit"),
    _rare(rf"[A-Z&]{{4}}\d{{2}}{_MONTH}{_DAY}[A-Z0-9]{{3}}", rfc.is_valid, 0.05, "rfc"),
    _bare(r"\d{5,8}-\d", ruc.is_valid, 0.1, "ruc"),
    _rare(r"\d{4}-\d{6}-\d{3}-\d", sv_nit.is_valid, 0.03, "nit"),
    _rare(r"\d\.\d{3}\.\d{3}-\d", checks.is_uruguayan, 0.05, "c[e\xe9]dula"),
    _rare(r"9\d{2}-93-\d{4}", atin.is_valid, 0.05, "atin"),
    _rare(r"[VE]-\d{7,8}-\d", rif.is_valid, 0.1, "rif"),
    # Asia, Africa
    _rare(r"[A-Z]{1,2}\d{6} ?\([0-9A]\)", checks.is_hong_kong, 0.05, "hkid|hong kong|id card"),
    _bare(r"[A-Z]{1,2}\d{6}[0-9A]", checks.is_hong_kong, 0.1, "hkid|hong kong id"),
    _rare(r"[A-Z][1289]\d{8}", checks.is_taiwanese, 0.3, "taiwan|arc|id card|national id"),
    _rare(r"\d{5}-\d{7}-\d", cnic.is_valid, 0.05, "cnic|nicop"),
    _bare(r"\d{13}", cnic.is_valid, 0.6, "cnic|nicop"),
    _rare(r"\d{3}-\d{6}-\d", checks.is_iranian, 0.1, "national id"),
    _bare(r"\d{10}", checks.is_iranian, 0.1, "iran(?:ian)?|kode? melli"),
    _rare(r"784-\d{4}-\d{7}-\d", checks.is_emirati, 0.0001, "emirates id"),
    _bare(r"784\d{12}", checks.is_emirati, 0.0001, "emirates id"),
    _bare(r"[12]\d{9}", checks.is_emirati, 0.1, "iqama|saudi"),
    _rare(r"\d{9}[VX]", checks.is_sri_lankan, 0.5, "nic|sri lankan?"),
    _rare(r"[AP]\d{9}[A-Z]", pin.is_valid, 0.1, "kra"),
    _rare(r"GHA-\d{9}-\d", str.isupper, 0.001, "ghana card"),
    _rare(rf"[A-Z]{_DAY}{_MONTH}\d{{8}}[0-9A-Z]", nid.is_valid, 0.03),
    _rare(r"\d{6} \d{4} \d{3}", idnr.is_valid, 0.01, "south african?"),
)  # fmt: skip
