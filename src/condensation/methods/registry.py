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
