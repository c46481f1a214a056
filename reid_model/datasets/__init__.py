"""Re-identification datasets on disk, read into labelled, still encoded images.

`read_dataset("market1501:DIR", "query")` reads any kind in the table `KINDS`.
"""

from reid_model.datasets.images import DatasetError, ImageArray, Part, ReidImages
from reid_model.datasets.market1501 import MARKET_FOLDERS, MARKET_NAME, read_market1501
from reid_model.datasets.registry import KINDS, Kind, kinds_table, read_dataset, read_datasets
from reid_model.datasets.split import held_out

__all__ = [
    "KINDS",
    "MARKET_FOLDERS",
    "MARKET_NAME",
    "DatasetError",
    "ImageArray",
    "Kind",
    "Part",
    "ReidImages",
    "held_out",
    "kinds_table",
    "read_dataset",
    "read_datasets",
    "read_market1501",
]
