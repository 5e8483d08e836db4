"""Download addresses, sizes and checksums of data sets, as published with them or by torchvision."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DownloadFile:
    """One file of a data set."""

    name: str
    size: int  # bytes, for display
    md5: str  # guards against damage; no reader runs code from a file


@dataclass(frozen=True)
class Download:
    """All files of a data set."""

    base: str  # URL of their folder, which a mirror replaces
    files: tuple[DownloadFile, ...]

    @property
    def size(self) -> int:
        """Total bytes."""
        return sum(file.size for file in self.files)


TORONTO = "https://www.cs.toronto.edu/~kriz"
DOWNLOADS: dict[str, Download] = {
    "fashion-mnist": Download(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
        (
            DownloadFile("train-images-idx3-ubyte.gz", 26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            DownloadFile("train-labels-idx1-ubyte.gz", 29_515, "25c81989df183df01b3e8a0aad5dffbe"),
            DownloadFile("t10k-images-idx3-ubyte.gz", 4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
            DownloadFile("t10k-labels-idx1-ubyte.gz", 5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
        ),
    ),
    "mnist": Download(
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        (
            DownloadFile("train-images-idx3-ubyte.gz", 9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            DownloadFile("train-labels-idx1-ubyte.gz", 28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
            DownloadFile("t10k-images-idx3-ubyte.gz", 1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
            DownloadFile("t10k-labels-idx1-ubyte.gz", 4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
        ),
    ),
    "svhn": Download(
        "http://ufldl.stanford.edu/housenumbers",
        (
            DownloadFile("train_32x32.mat", 182_040_794, "e26dedcc434d2e4c54c9b2d4a06d8373"),
            DownloadFile("test_32x32.mat", 64_275_384, "eb5a983be6a315427106f1b164d9cef3"),
        ),
    ),
    "cifar10": Download(TORONTO, (DownloadFile("cifar-10-python.tar.gz", 170_498_071, "c58f30108f718f92721af3b95e74349a"),)),
    "cifar100": Download(TORONTO, (DownloadFile("cifar-100-python.tar.gz", 169_001_437, "eb9058c3a382ffc7106e4002c42a8d85"),)),
    "tiny-imagenet": Download(
        "http://cs231n.stanford.edu", (DownloadFile("tiny-imagenet-200.zip", 248_100_043, "90528d7ca1a48142e341f4ef8d21d0de"),)
    ),
}
