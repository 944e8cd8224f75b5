"""Train the name model: `python -m training.names.train --data DIR --catalogs DIR`.

It needs the extras `training` and `dev`. The first DIR holds `privacy/` and `routing/` in the format that
`benchmarks.privacy` reads; the second holds catalogs of messages (`*.mo`): the packages Django, django-oscar,
django-allauth, wagtail and WTForms, unpacked.

Two networks are trained on one thread with a fixed seed. The first sees none of the labelled collections and
none of the locales `HELD_OUT` of `values.py`; what it finds there says how sure a finding must be. The second
sees everything. Writes `gateway/privacy/names/shipped/names.npz` and prints its hash, which `SHA256` of
`gateway.privacy.names.network` must be, and the tables of `CARD.md`; the same bytes each time on the same
machine with the same packages and PYTHONHASHSEED, since Faker keeps some places in a set. It takes some
twenty minutes.
"""

import argparse
import sysconfig
from hashlib import sha256
from pathlib import Path

import torch

from gateway.privacy.names.network import Network, read_network
from training.names.data import Sources, drawers, training_rows
from training.names.fit import as_bytes, example_of, fit, vocabulary_of
from training.names.measure import figures, judged, least, reliability
from training.names.rows import COLLECTIONS, Labelled, read

SHIPPED = Path(__file__).resolve().parents[2] / "gateway" / "privacy" / "names" / "shipped" / "names.npz"
SEED = 7
EPOCHS = 3
APART = ",".join(COLLECTIONS)
STRANGE = 1_500
"""Sentences, and forms, of the locales that are left out."""


def trained(sources: Sources, left_out: str) -> Network:
    """Return a network that has not seen some collections, as it is after it was written."""
    rows = training_rows(sources, left_out=left_out, seed=SEED)
    vocabulary = vocabulary_of(rows)
    examples = [example_of(row, vocabulary) for row in rows]
    return read_network(as_bytes(fit(examples, vocabulary, epochs=EPOCHS, seed=SEED)))


def main() -> None:
    """Train, measure, write."""
    given = _arguments()
    sources = Sources(given.data, given.catalogs, given.packages)
    torch.set_num_threads(1)
    apart = kept(sources, APART, given.networks)
    unseen = {name: read(given.data, name) for name in COLLECTIONS} | strange(sources)
    found = [one for rows in unseen.values() for one in judged(rows, apart)]
    limits = least(found)
    data = as_bytes(kept(sources, "", given.networks)._replace(least=limits))
    SHIPPED.parent.mkdir(exist_ok=True)
    SHIPPED.write_bytes(data)
    print(f"{SHIPPED.name}: {len(data)} bytes, sha256 {sha256(data).hexdigest()}")
    print(f"{limits}\n{reliability(found)}")
    for name, rows in unseen.items():
        print(name, figures(rows, apart._replace(least=limits)))


def strange(sources: Sources) -> dict[str, list[Labelled]]:
    """Return texts of locales, templates and languages of labels that the first network has not seen."""
    draws = drawers(sources, seed=SEED + 1, is_whole=False, is_held_out=True)
    return {
        "sentences": [draws.sentences.draw() for _ in range(STRANGE)],
        "forms": [draws.forms.draw() for _ in range(STRANGE)],
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--catalogs", type=Path, required=True)
    parser.add_argument("--packages", type=Path, default=Path(sysconfig.get_path("purelib")))
    parser.add_argument("--networks", type=Path, help="keep the networks here, and take those that are there")
    return parser.parse_args()


def kept(sources: Sources, left_out: str, folder: Path | None) -> Network:
    """Return a network from a folder, trained where it is not there."""
    file = folder / f"{'apart' if left_out else 'whole'}.npz" if folder else None
    if file is not None and file.exists():
        return read_network(file.read_bytes())
    network = trained(sources, left_out)
    if file is not None:
        file.write_bytes(as_bytes(network))
    return network


if __name__ == "__main__":
    main()
