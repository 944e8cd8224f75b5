"""Labelled texts that nobody wrote a rule for, drawn from sources that know nothing of the detectors.

    python -m benchmarks.privacy_generated --half tune [--type PHONE] [--show 20]

A source draws values of one kind (the telephone numbers of a region, the documents of a check-digit module,
the keys of a provider); a form sets values into text (a sentence, a row of CSV, a line of a log). Each source
and each form belongs to one half by a hash of its name, and a row of a half has only sources and forms of
that half. Rules may be made with the rows of the tune half in view; of the held half only counts are printed.
"""
