"""What the demo model knows: the tables of facts.txt, and lists of words."""

from training.demo_model.rows import rows, words

COUNTRIES = rows("facts.txt", "countries")
"""Country, capital, continent."""

ALSO_CALLED = {
    "the United States": ("the USA", "the US", "America"),
    "the United Kingdom": ("the UK", "Great Britain", "Britain"),
    "the Netherlands": ("Holland",),
    "Czechia": ("the Czech Republic",),
}

LANGUAGES = rows("facts.txt", "languages")

CURRENCIES = rows("facts.txt", "currencies")

COLOURS = rows("facts.txt", "colours")

MIXES = rows("facts.txt", "mixes")

OPPOSITES = rows("facts.txt", "opposites")

KINDS_OF_THINGS = {
    "a fruit": words("apple, banana, pear, orange, lemon, cherry, grape, peach, plum, mango, strawberry, kiwi"),
    "a vegetable": words("carrot, potato, onion, cabbage, cucumber, leek, turnip, radish, pumpkin, broccoli"),
    "an animal": words("dog, cat, horse, cow, pig, sheep, goat, lion, tiger, bear, wolf, fox, rabbit, mouse,"
                        "elephant, giraffe, monkey, zebra, camel, deer"),
    "a bird": words("eagle, owl, swan, crow, robin, parrot, penguin, duck, goose, sparrow, pigeon, hawk"),
    "a fish": words("salmon, trout, tuna, shark, cod, herring, carp, eel"),
    "an insect": words("ant, bee, fly, wasp, beetle, butterfly, moth, mosquito"),
    "a tree": words("oak, pine, birch, maple, beech, willow, cedar, elm"),
    "a flower": words("rose, tulip, daisy, lily, orchid, poppy, sunflower, violet"),
    "a musical instrument": words("piano, violin, guitar, flute, trumpet, drum, cello, harp, clarinet, organ"),
    "a sport": words("football, tennis, hockey, golf, rugby, basketball, cricket, volleyball, boxing, judo"),
    "a tool": words("hammer, saw, drill, screwdriver, wrench, axe, chisel, spade"),
    "a vehicle": words("car, bus, train, bicycle, lorry, truck, tram, motorcycle, van, taxi"),
    "a drink": words("tea, coffee, water, milk, juice, wine, beer, lemonade"),
    "a piece of furniture": words("chair, table, sofa, bed, wardrobe, desk, shelf, stool"),
    "a metal": words("iron, gold, silver, copper, tin, zinc, lead, aluminium"),
    "a planet": words("Mercury, Venus, Mars, Jupiter, Saturn, Uranus, Neptune"),
    "a continent": words("Africa, Asia, Europe, Antarctica, Oceania"),
    "a language": words("French, German, Spanish, Italian, Polish, Russian, Japanese, Greek"),
    "a profession": words("doctor, teacher, nurse, baker, farmer, lawyer, plumber, carpenter, engineer, pilot"),
}  # fmt: skip
MASS = frozenset(
    words("tea, coffee, water, milk, juice, wine, beer, lemonade, iron, gold, silver, copper, tin, zinc, lead,"
           "aluminium, football, tennis, hockey, golf, rugby, basketball, cricket, volleyball, boxing, judo,"
           "broccoli")
)  # fmt: skip
"""Words that take no article."""

SOUNDS = rows("facts.txt", "sounds")

YOUNG = rows("facts.txt", "young")

LEGS = rows("facts.txt", "legs")

PLURALS = rows("facts.txt", "plurals")

UNITS = rows("facts.txt", "units")
"""One of these, has as many of those; with their symbols where they have any."""

FACTS = rows("facts.txt", "facts")
"""Wordings, short answer, sentence."""

TRANSLATIONS = rows("facts.txt", "translations")
LANGUAGE_COLUMNS = ("French", "German", "Spanish", "Italian")

WEEKDAYS = words("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday")
MONTHS = words(
    "January, February, March, April, May, June, July, August, September, October, November, December"
)
DAYS_OF_MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
SEASONS = words("spring, summer, autumn, winter")
NUMBER_WORDS = words(
    "zero, one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen,"
    "fifteen, sixteen, seventeen, eighteen, nineteen, twenty"
)
