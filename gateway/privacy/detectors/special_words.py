"""Words of health and of the other special categories of GDPR Article 9, by language.

A star stands for any ending of a word. The words come from common usage and from the text of the article.
"""

from collections.abc import Mapping

HEALTH: Mapping[str, str] = {
    "en": (
        "hiv, hiv-positive, aids, cancer, tumour, tumor, leukaemia, leukemia, lymphoma, melanoma, diabetes, "
        "diabetic, epilep*, schizophren*, bipolar, depression, depressed, antidepressant*, anxiety "
        "disorder, panic attacks, ptsd, autis*, adhd, anorexi*, bulimi*, dementia, alzheimer*, parkinson*, "
        "multiple sclerosis, hepatitis, cirrhosis, tuberculosis, syphilis, chlamydia, gonorrhea, "
        "gonorrhoea, herpes, asthma*, copd, lupus, crohn*, endometriosis, infertil*, ivf, miscarriage, "
        "miscarried, abortion, pregnant, pregnancy, chemotherapy, chemo, dialysis, transplant, insulin, "
        "stroke, heart attack, heart failure, suicid*, self-harm*, alcoholic, addict*, rehab, overdose*, "
        "methadone, sertraline, fluoxetine, lithium, metformin, disabled, paraplegic, wheelchair, stoma, "
        "hypertension, angina, arthritis, fibromyalgia, migraine*, diagnosed with, blood type, sick leave"
    ),
    "es": (
        "sida, vih, cáncer, seropositiv*, diabétic*, esquizofreni*, depresión, embarazad*, embarazo, "
        "aborto, quimioterapia, hepatitis, tuberculosis, esclerosis, epiléptic*, epilepsia, discapacidad, "
        "baja médica, infarto, autismo, alcohólic*, diagnosticad*, demencia, asma"
    ),
    "fr": (
        "vih, séropositi*, diabète, diabétique, schizophrène, dépression, enceinte, avortement, fausse "
        "couche, chimiothérapie, hépatite, tuberculose, sclérose en plaques, épilep*, handicapé*, arrêt "
        "maladie, infarctus, autiste, autisme, alcoolique, démence, asthm*"
    ),
    "de": (
        "krebs, brustkrebs, leukämie, diabetes, diabetiker*, schizophrenie, depression*, schwanger*, "
        "abtreibung, fehlgeburt, chemotherapie, hepatitis, tuberkulose, multiple sklerose, epilepsie, "
        "schwerbehindert*, krankgeschrieben, herzinfarkt, schlaganfall, autismus, autistisch, alkoholiker*, "
        "demenz, asthma, erkrankt"
    ),
    "it": (
        "sieropositiv*, cancro, tumore, diabetic*, schizofreni*, depressione, incinta, gravidanza, aborto, "
        "chemioterapia, epatite, tubercolosi, sclerosi multipla, epiless*, epilettic*, invalidità, infarto, "
        "autismo, alcolizzat*, demenza, asma"
    ),
    "pt": (
        "soropositiv*, câncer, cancro, diabétic*, esquizofreni*, depressão, grávida, gravidez, aborto, "
        "quimioterapia, hepatite, tuberculose, esclerose, epilep*, deficiência, enfarte, infarto, autis*, "
        "alcoólatra, demência, asma"
    ),
    "nl": (
        "kanker, borstkanker, leukemie, suikerziekte, schizofreni*, depressie*, zwanger*, miskraam, "
        "chemotherapie, chemokuur, tuberculose, multiple sclerose, epilepsie, arbeidsongeschikt*, "
        "hartaanval, beroerte, autisme, alcoholist*, dementie, astma, ziekmelding"
    ),
    "pl": (
        "nowotwór*, rak piersi, białaczk*, cukrzyc*, schizofreni*, depresj*, ciąż*, w ciąży, poronieni*, "
        "aborcj*, chemioterapi*, gruźlic*, stwardnienie rozsiane, padaczk*, niepełnosprawn*, zawał*, udar*, "
        "autyzm*, alkoholi*, demencj*, astm*, zwolnienie lekarskie"
    ),
    "sv": (
        "hiv-positiv*, cancer*, bröstcancer, leukemi, diabetiker, schizofreni, deprimerad, gravid, "
        "missfall, cellgifter, tuberkulos, epilepsi, funktionsneds*, sjukskriven, hjärtinfarkt, autism, "
        "alkoholist, demens, astma"
    ),
    "tr": (
        "kanser*, lösemi, diyabet*, şeker hast*, şizofren*, depresyon*, hamile*, gebe*, düşük yap*, kürtaj, "
        "kemoterapi*, tüberküloz, verem, epilepsi*, engelli*, kalp krizi, felç, otizm*, alkolik, demans, "
        "ast\u0131m"
    ),
}
"""Conditions, treatments and what goes with them."""

SPECIAL_CATEGORY: Mapping[str, str] = {
    "en": (
        "catholic, protestant, muslim, jewish, hindu, buddhist, sikh, mormon, jehovah's witness, atheist, "
        "christian, orthodox, evangelical, baptised, baptized, trade union, labor union, labour union, "
        "union member*, union rep, shop steward, gay, lesbian, bisexual, homosexual, transgender, trans "
        "woman, trans man, queer, asexual, sexual orientation, party member*, member of the party, ethnic "
        "origin, ethnicity, romani, fingerprint template, fingerprints, retina scan, iris scan, face "
        "template, voiceprint, dna profile, dna test, genetic test, brca1, brca2, criminal record, "
        "convicted of, on parole, asylum seeker"
    ),
    "es": (
        "católic*, musulmán*, judí*, ateo, atea, testigo de jehová, sindicato, sindicalista, sindicad*, "
        "lesbiana, homosexual*, transexual*, afiliad* al partido, origen étnico, huella* dactilar*, prueba "
        "genética, antecedentes penales"
    ),
    "fr": (
        "catholique, musulman*, juif, juive, athée, témoin de jéhovah, syndiqué*, syndicat, homosexuel*, "
        "lesbienne, transgenre, origine ethnique, empreinte* digitale*, test génétique, casier judiciaire"
    ),
    "de": (
        "katholisch, evangelisch, muslim*, jüdisch, atheist*, zeuge jehovas, gewerkschaft*, schwul, "
        "lesbisch, bisexuell, homosexuell, transgeschlechtlich, parteimitglied*, ethnische herkunft, "
        "fingerabdrück*, gentest, vorbestraft"
    ),
    "it": (
        "cattolic*, musulman*, ebre*, testimone di geova, sindacato, iscritt* al sindacato, omosessuale, "
        "lesbica, origine etnica, impront* digital*, test genetico, precedenti penali"
    ),
    "pt": (
        "católic*, muçulman*, judeu, judia, testemunha de jeová, sindicato, sindicalizad*, homossexual, "
        "lésbica, origem étnica, impressões digitais, teste genético, antecedentes criminais"
    ),
    "nl": (
        "katholiek, moslim*, joods, jehova's getuige, vakbond*, homoseksueel, lesbisch, etnische afkomst, "
        "vingerafdruk*, dna-test, strafblad"
    ),
    "pl": (
        "katolik*, muzułman*, żydówk*, ateist*, świadek jehowy, związk* zawodow*, gejem, lesbijk*, "
        "homoseksual*, pochodzenie etniczne, odcisk* palc*, test genetyczny, karany"
    ),
    "sv": (
        "katolik*, muslim*, judisk, ateist, jehovas vittne, fackligt, fackmedlem*, homosexuell, lesbisk, "
        "etnisk*, fingeravtryck, straffregister"
    ),
    "tr": (
        "müslüman*, yahudi, alevi, ateist, sendika*, eşcinsel, lezbiyen, etnik köken, parmak izi, genetik "
        "test, sab\u0131ka*"
    ),
}
"""Belief, union, party, origin, sex life, biometrics, genetics and convictions."""

SOMEBODY: Mapping[str, str] = {
    "en": (
        "i'm, i am, i've, i have, i had, i was, i got, i take, i suffer, i live with, my son, my daughter, "
        "my wife, my husband, my partner, my mother, my father, my mom, my dad, my mum, my brother, my "
        "sister, my colleague, my boss, my employee, my patient, my client, the patient, our employee"
    ),
    "es": (
        "tengo, soy, estoy, padezco, sufro, mi hijo, mi hija, mi marido, mi mujer, mi madre, mi padre, mi "
        "esposa, mi esposo"
    ),
    "fr": "je suis, j'ai, je souffre, mon fils, ma fille, mon mari, ma femme, mon père, ma mère",
    "de": (
        "ich bin, ich habe, ich leide, ich nehme, mein mann, meine frau, mein sohn, meine tochter, mein "
        "vater, meine mutter"
    ),
    "it": (
        "sono, ho il, ho un, ho la, soffro, mio figlio, mia figlia, mio marito, mia moglie, mio padre, mia "
        "madre"
    ),
    "pt": "tenho, estou, sou, sofro, meu filho, minha filha, meu marido, minha esposa, minha mãe, meu pai",
    "nl": "ik ben, ik heb, mijn zoon, mijn dochter, mijn man, mijn vrouw, mijn vader, mijn moeder",
    "pl": "jestem, mam, choruję, cierpię, mój syn, moja córka, mój mąż, moja żona, moja matka, mój ojciec",
    "sv": "jag är, jag har, jag lider, min son, min dotter, min man, min fru, min mamma, min pappa",
    "tr": "benim, bende, oğlum, k\u0131z\u0131m, kocam, kar\u0131m, annem, babam",
}
"""Words by which a sentence speaks of its writer, or of somebody near."""

AGED = (
    r"\d{1,3}[ -](?:years?[ -]old|yo\b|y/o|años|ans\b|jahre|anni\b|anos\b|jaar|lat\b|år\b|ya\?)"
    r"|\baged \d{1,3}"
)
"""Ages, as a pattern for text in which a question mark stands for a letter outside Latin-1."""
