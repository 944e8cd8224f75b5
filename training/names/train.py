"""Train the name model: `python -m training.names.train --data DIR`, with the extras `training` and `dev`.

DIR holds `privacy/` and `routing/` in the format that `benchmarks.privacy` reads. Four networks are trained on
one thread with a fixed seed: each of three sees all but one collection and is measured on that one, which says
how sure a finding must be; the fourth sees everything. Writes `gateway/privacy/names/shipped/names.npz` and
prints its hash and the tables of `CARD.md`; the same bytes each time on the same machine. Some fifteen minutes.
"""

import argparse
from hashlib import sha256
from pathlib import Path

import torch

from gateway.privacy.names.network import Network, read_network
from training.names.data import training_rows
from training.names.fit import as_bytes, example_of, fit, vocabulary_of
from training.names.measure import Judged, figures, judged, least, reliability
from training.names.rows import read

SHIPPED = Path(__file__).resolve().parents[2] / "gateway" / "privacy" / "names" / "shipped" / "names.npz"
SEED = 7
DRAWN, EPOCHS = 40_000, 3
LEFT_OUT = ("presidio_research,scrubadub,datafog", "wnut17", "pl_pii_bench")
"""Collections that a network does not see; it is measured on the first of each."""


def trained(data: Path, left_out: str) -> Network:
    """Return a network that has not seen some collections, as it is after it was written."""
    rows = training_rows(data, left_out=left_out, seed=SEED, drawn=DRAWN)
    vocabulary = vocabulary_of(rows)
    examples = [example_of(row, vocabulary) for row in rows]
    return read_network(as_bytes(fit(examples, vocabulary, epochs=EPOCHS, seed=SEED)))


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--networks", type=Path, help="keep the networks here, and take those that are there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found: list[Judged] = []
    apart: list[tuple[str, Network]] = []
    for left_out in LEFT_OUT:
        collection = left_out.split(",")[0]
        network = kept(given.data, left_out, given.networks)
        apart.append((collection, network))
        found += judged(read(given.data, collection), network)
    limits = least(found)
    data = as_bytes(kept(given.data, "", given.networks)._replace(least=limits))
    SHIPPED.parent.mkdir(exist_ok=True)
    SHIPPED.write_bytes(data)
    print(
        f"{SHIPPED.name}: {len(data)} bytes, sha256 {sha256(data).hexdigest()}\n{limits}\n{reliability(found)}"
    )
    for collection, network in apart:
        print(collection, figures(read(given.data, collection), network._replace(least=limits)))


def kept(data: Path, left_out: str, folder: Path | None) -> Network:
    """Return a network from a folder, trained where it is not there."""
    file = folder / f"net_{left_out.split(',')[0]}.npz" if folder else None
    if file is not None and file.exists():
        return read_network(file.read_bytes())
    network = trained(data, left_out)
    if file is not None:
        file.write_bytes(as_bytes(network))
    return network


if __name__ == "__main__":
    main()
