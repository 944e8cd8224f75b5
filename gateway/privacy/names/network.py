"""The network that labels the words of a text, and the file that it is read from.

Two layers of windows over sums of rows of a table. Multiplying is all it does, so a text takes time that is
linear in its words.
"""

from functools import cache
from hashlib import sha256
from importlib.resources import files
from io import BytesIO
from typing import NamedTuple

import numpy as np

from gateway.domain.text.search_budget import loading
from gateway.privacy.names.words import FIXED, Floats, KnownWords

KINDS = ("PERSON", "ADDRESS", "LOCATION", "ORG")
"""What a word may be of, in the order of the labels 1 to 4; 0 is none of them."""
NEAR = (-2, -1, 0, 1, 2)
FAR = (-4, -2, 0, 2, 4)
"""The words that the first layer looks at, and those whose result the second looks at."""
SHA256 = "aa67309f23e83449fe179b6886221fbe931b434bbd9d24178f52ad77465aa161"
"""Of `shipped/names.npz`; another file is refused."""


class Network(NamedTuple):
    """The weights."""

    vocabulary: KnownWords
    table: Floats
    near: Floats
    near_bias: Floats
    far: Floats
    far_bias: Floats
    out: Floats
    out_bias: Floats
    least: Floats
    """For each kind, from which mean probability of its words a finding is probable, and likely."""


def scores(network: Network, words: Floats) -> Floats:
    """Return the score of each label, for each word between the outermost REACH words."""
    size = len(words) - 4
    near = np.concatenate([words[at + 2 : at + 2 + size] for at in NEAR], axis=1) @ network.near
    near += network.near_bias
    np.maximum(near, 0.0, out=near)
    size -= 8
    far = np.concatenate([near[at + 4 : at + 4 + size] for at in FAR], axis=1) @ network.far
    far += network.far_bias
    np.maximum(far, 0.0, out=far)
    scored: Floats = np.concatenate([far, near[4 : size + 4]], axis=1) @ network.out
    scored += network.out_bias
    return scored


def read_network(data: bytes) -> Network:
    """Return the network in the bytes of a file."""
    with np.load(BytesIO(data), allow_pickle=False) as arrays:
        keys = bytes(arrays["keys"]).decode("utf-8").split("\0")
        table: Floats = arrays["table"].astype(np.float32) * arrays["scale"].astype(np.float32)[:, None]
        rows = {key: FIXED + at for at, key in enumerate(keys)}
        ordinary, telling, parts = arrays["starts"].tolist()
        return Network(
            KnownWords(rows, (ordinary, telling, parts), table),
            table,
            *(
                arrays[name].astype(np.float32)
                for name in ("near", "near_bias", "far", "far_bias", "out", "out_bias", "least")
            ),
        )


@cache
@loading()
def shipped_network() -> Network:
    """Return the packaged network; it is read once in a process."""
    data = files("gateway.privacy.names").joinpath("shipped", "names.npz").read_bytes()
    if sha256(data).hexdigest() != SHA256:
        raise ValueError(
            "gateway/privacy/names/shipped/names.npz is not the file of this version; install it again"
        )
    return read_network(data)
