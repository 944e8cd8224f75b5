"""Words around names: titles, particles, and words that are capitalised like names."""


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


TITLES = _words(
    """
    mr mrs ms miss mx dr prof professor doctor sir madam madame mme mlle monsieur herr frau senor senora
    senorita don dona signor signora pan pani panie panem pana lord lady dame rev reverend fr father sister
    brother uncle aunt auntie judge justice senator congressman president chancellor captain capt major
    colonel col lieutenant lt sergeant sgt general gen mayor governor
    """
)
"""Words directly before a name."""

PARTICLES = _words("van von de der den del della di da do dos du la le el al bin ibn ten ter zu af av y")
"""Small words inside a name."""

NO_NAMES = _words(
    """
    the a an and or but if in on at by for from to of with as is are was were be it its he she they we you i
    this that these those there here what which who whom whose when where why how not no yes all any each
    every some one two three four five first second third last next new old our your his her their my mine
    do does did has have had can could will would shall should may might must let lets please thanks thank hi
    hello hey dear so then than now also however because while after before during until since although
    though given suppose assume consider find calculate according question answer note use see say says said
    today tomorrow yesterday monday tuesday wednesday thursday friday saturday sunday january february march
    april may june july august september october november december mr mrs ms dr prof sir lord lady king queen
    prince princess president senator general captain doctor professor saint st god jesus christ
    date time name phone mobile email address fax desk website user bot regards sincerely subject
    true false prior unknown over many hence less more add early among north south east west america africa
    asia europe india china cuba france islam muslim latin french irish english british heaven moon mars
    """
)
"""Capitalised words that begin sentences, forms or titles and are no names."""

INSTITUTIONS = _words(
    """
    inc ltd llc llp plc gmbh ag corp corporation company co group holdings partners associates bros sons
    university college school academy institute hospital clinic church cathedral foundation museum orchestra
    hall house theatre theater stadium square tower center centre hotel island islands republic kingdom
    states party war street st avenue ave road rd lane drive boulevard park bridge airport county city town
    lake mount mountain river bay beach bank act law laws theorem theory principle effect equation constant
    prize award cup league club team band studios records pictures press times post journal review magazine
    awards day week month year court commission committee council agency department ministry office union
    association society organization organisation federation conference industries systems solutions
    technologies services international global news network media airlines motors energy insurance capital
    trust fund method test scale disease syndrome number numbers model algorithm distribution series
    transform function space
    """
)
"""The last word of the name of something that is named after a person."""

STREETS = _words(
    """
    rua via viale piazza corso calle avenida avda paseo plaza carrer camino rue boulevard chemin quai ulica
    aleja strada straat laan apt suite
    """
)
"""The first word of the name of a street that is named after a person."""
