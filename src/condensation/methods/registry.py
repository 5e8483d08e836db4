"""Registry of methods. To add a method, write its file and add its class to `METHODS`."""

from condensation.methods.base import Method
from condensation.methods.best_of import BestOf
from condensation.methods.big_gan import BigGAN
from condensation.methods.dc import DC, SiameseDC
from condensation.methods.dc_vae import DCVAE
from condensation.methods.dm import DM
from condensation.methods.forgetting import Forgetting
from condensation.methods.gmmn import GMMN
from condensation.methods.gtn import GTN
from condensation.methods.herding import Herding
from condensation.methods.k_center import KCenter
from condensation.methods.kip import KIP
from condensation.methods.pixel_mmd import PixelMMD
from condensation.methods.random import Random

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (Random, Herding, KCenter, Forgetting, PixelMMD, GMMN, DCVAE, BigGAN, GTN, DC, SiameseDC, DM, KIP, BestOf)
}
"""Method classes by name, in the order of the results table.

>>> from condensation import METHODS
>>> METHODS["dm"]().steps
20000
"""

_TITLES = {"best-of": "Best of several", "dc-vae": "DC-VAE", "dsa": "DSA", "k-center": "K-center", "pixel-mmd": "Pixel MMD"}


def method_title(name: str) -> str:
    """Return the proper name of a method for tables and pictures; a label that names no method is returned as it is."""
    return _TITLES.get(name) or (METHODS[name].__name__ if name in METHODS else name)
