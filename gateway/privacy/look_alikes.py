"""Letters that look like Latin ones, and words for digits."""

ALIKE_LETTERS = """
0430a 0432b 0435e 043Ak 043Cm 043Dh 043Eo 0440p 0441c 0442t 0443y 0445x 0456i 0458j 0455s 0501d 051Bq 051Dw
04BBh 03B1a 03B2b 03B5e 03B9i 03BAk 03BDv 03BFo 03C1p 03C4t 03C5u 03C7x 03B3y 0261g
"""
"""Cyrillic and Greek letters that look like Latin ones."""
DIGIT_WORDS = {
    "zero": "0", "oh": "0", "nought": "0", "null": "0", "cero": "0", "one": "1", "two": "2", "three": "3",
    "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "niner": "9",
    "eins": "1", "zwei": "2", "zwo": "2", "drei": "3", "vier": "4", "funf": "5", "fuenf": "5", "sechs": "6",
    "sieben": "7", "acht": "8", "neun": "9", "un": "1", "deux": "2", "trois": "3", "quatre": "4", "cinq": "5",
    "sept": "7", "huit": "8", "neuf": "9", "uno": "1", "dos": "2", "tres": "3", "cuatro": "4", "cinco": "5",
    "seis": "6", "siete": "7", "ocho": "8", "nueve": "9",
    "due": "2", "tre": "3", "quattro": "4", "cinque": "5", "sei": "6", "sette": "7", "otto": "8", "nove": "9",
    "um": "1", "dois": "2", "quatro": "4", "sete": "7", "oito": "8", "een": "1", "twee": "2", "drie": "3",
    "vijf": "5", "zes": "6", "zeven": "7", "negen": "9", "jeden": "1", "dwa": "2", "trzy": "3", "cztery": "4",
    "piec": "5", "szesc": "6", "siedem": "7", "osiem": "8", "dziewiec": "9",
}  # fmt: skip
"""Without accents."""
