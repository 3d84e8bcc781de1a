"""kdda, kddb, kdd12, criteo, avazu, url, webspam, news20.binary, rcv1: large sparse files of the LIBSVM data page, by name.

    https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/binary.html

They need internet and are large: kdd12's text has 149 million lines. Downloads are kept in the cache folder's downloads/, where they
can be removed once a data set is prepared. The numbers of rows and features are the page's; all files count features from 1.
Checksums are given where somebody has published them (copt's data sets: md5); the page has none, so elsewhere only the size that the
server announces is checked, and meta.json records the sha256 of what came.
"""

from dataclasses import asdict, dataclass
from typing import ClassVar, NamedTuple

from ..errors import ConfigError
from ..gradient import MAX_DIM
from .assembly import Assembly
from .base import LAYOUTS, Dataset, alone, check_choice, check_fraction, check_integer
from .download import digest, fetch
from .libsvm import CONVENTIONS, LibSVM
from .unpack import unpack

PAGE = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/binary"


class File(NamedTuple):
    """name: on the page. checksum: see download.fetch. member: of a tar or zip."""

    name: str
    checksum: str | None = None
    member: str | None = None


@dataclass(frozen=True, kw_only=True)
class FromPage(Dataset):
    """test_fraction: of the rows, only where the page has no test file (0.25 then), which is used otherwise. n_features, labels: None
    for what the data set is known to have; else as for `libsvm`. seed: of the split and of the layout "hashed".
    """

    train: ClassVar[File]
    test: ClassVar[File | None] = None
    dim: ClassVar[int]
    convention: ClassVar[str]
    base: ClassVar[str] = PAGE
    schemes: ClassVar[tuple[str, ...]] = ("https",)

    n_features: int | None = None
    labels: str | None = None
    test_fraction: float | None = None
    layout: str = "source"
    seed: int = 0

    def __post_init__(self):
        if self.n_features is not None:
            check_integer("n_features", self.n_features, 1, MAX_DIM)
        if self.labels is not None:
            check_choice("labels", self.labels, tuple(CONVENTIONS))
        if self.test_fraction is not None:
            if self.test is not None:
                raise ConfigError(f"{self.name} has a test file, {self.test.name}, so test_fraction would do nothing; leave it out")
            check_fraction("test_fraction", self.test_fraction)
        check_choice("layout", self.layout, LAYOUTS)
        check_integer("seed", self.seed, 0, 2**63 - 1)

    def identity(self):
        fraction = None if self.test is not None else self.test_fraction or 0.25
        return asdict(self) | {
            "n_features": self.n_features or self.dim,
            "labels": self.labels or self.convention,
            "test_fraction": fraction,
        }

    def prepare(self, folder, rank=0, size=1, barrier=alone):
        assembly = Assembly(folder, rank, barrier, layout=self.layout, seed=self.seed)
        files = {"train": self.train} | ({"test": self.test} if self.test else {})
        texts = {split: assembly.parts / f"{split}.svm" for split in files}
        sources = assembly.stage(lambda: self._download(files, texts, folder.parent / "downloads") if rank == 0 else [])
        options = self.identity() | {split: str(path) for split, path in texts.items()}
        checksum = "sha256:" + "+".join(source["sha256"] for source in sources)
        LibSVM(**options, zero_based=False).assemble(assembly, rank, size, source=self.base, checksum=checksum, sources=sources)

    def _download(self, files, texts, downloads):
        sources = []
        for split, file in files.items():
            path = fetch(f"{self.base}/{file.name}", downloads / file.name, file.checksum, self.schemes)
            sources.append({"file": file.name, "bytes": path.stat().st_size, "sha256": digest(path, "sha256")})
            unpack(path, texts[split], file.member)
        return sources


class KDDA(FromPage):
    name = "kdda"
    summary = "KDD Cup 2010, algebra: 8,407,752 + 510,302 rows, 20,216,830 features"
    paper = "LIBSVM data page; KDD Cup 2010 (Carnegie Learning)"
    train, test = File("kdda.bz2"), File("kdda.t.bz2")
    dim, convention = 20_216_830, "01"


class KDDB(FromPage):
    name = "kddb"
    summary = "KDD Cup 2010, bridge to algebra: 19,264,097 + 748,401 rows, 29,890,096 features; the KDD10 of SketchML"
    paper = "LIBSVM data page; KDD Cup 2010 (Carnegie Learning)"
    train, test = File("kddb.bz2", "md5:bc5b630fef6989c2f201039fef497e14"), File("kddb.t.bz2")
    dim, convention = 29_890_096, "01"  # 29,890,095 in the training file, one more in the test file


class KDD12(FromPage):
    name = "kdd12"
    summary = "KDD Cup 2012 track 2, clicks: 149,639,105 rows, 54,686,452 features"
    paper = "LIBSVM data page; KDD Cup 2012 track 2 (Tencent); the KDD12 of SketchML"
    train = File("kdd12.xz")
    dim, convention = 54_686_452, "pm1"


class Criteo(FromPage):
    """The test part of the competition has no labels."""

    name = "criteo"
    summary = "Criteo's display advertising challenge: 45,840,617 rows, 1,000,000 features, 39 per row"
    paper = "LIBSVM data page; Criteo and Kaggle 2014"
    train = File("criteo.kaggle2014.svm.tar.xz", member="criteo.kaggle2014.svm/train.txt.svm")
    dim, convention = 1_000_000, "01"


class Avazu(FromPage):
    name = "avazu"
    summary = "Avazu's click-through challenge, apps: 12,642,186 + 1,953,951 rows, 1,000,000 features, 15 per row"
    paper = "LIBSVM data page; Avazu and Kaggle 2014"
    train, test = File("avazu-app.tr.bz2"), File("avazu-app.val.bz2")
    dim, convention = 1_000_000, "01"


class URL(FromPage):
    name = "url"
    summary = "malicious addresses or not, 120 days: 2,396,130 rows, 3,231,961 features"
    paper = "LIBSVM data page; Ma, Saul, Savage and Voelker, ICML 2009"
    train = File("url_combined.bz2", "md5:83673b8f4224c81968af2fb6022ee487")
    dim, convention = 3_231_961, "pm1"


class Webspam(FromPage):
    name = "webspam"
    summary = "web spam or not, trigrams of characters: 350,000 rows, 16,609,143 features, 3,700 per row"
    paper = "LIBSVM data page; Webb, Caverlee and Pu, CEAS 2006"
    train = File("webspam_wc_normalized_trigram.svm.xz")
    dim, convention = 16_609_143, "pm1"


class News20Binary(FromPage):
    name = "news20.binary"
    summary = "20 Newsgroups in two classes: 19,996 rows, 1,355,191 features, 455 per row"
    paper = "LIBSVM data page; Keerthi and DeCoste, JMLR 2005"
    train = File("news20.binary.bz2")
    dim, convention = 1_355_191, "pm1"


class RCV1(FromPage):
    """The page's test file is the larger one."""

    name = "rcv1"
    summary = "Reuters news, two classes: 20,242 + 677,399 rows, 47,236 features, 74 per row"
    paper = "LIBSVM data page; Lewis, Yang, Rose and Li, JMLR 2004"
    train, test = File("rcv1_train.binary.bz2"), File("rcv1_test.binary.bz2")
    dim, convention = 47_236, "pm1"


__all__ = ["KDD12", "KDDA", "KDDB", "PAGE", "RCV1", "URL", "Avazu", "Criteo", "File", "FromPage", "News20Binary", "Webspam"]
