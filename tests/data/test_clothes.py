from collections import Counter

from edgekit.data import open_data
from edgekit.data.clothes import FOLDER
from edgekit.inputs.contract import InputContract


def test_the_clothes_are_ten_classes_of_one_size_in_three_splits() -> None:
    data = open_data("clothes", InputContract(32, 32, 3))
    assert len(data.classes) == 10
    for split, count in ((data.train, 80), (data.validation, 12), (data.test, 12)):
        assert split.labels is not None
        assert Counter(split.labels.tolist()) == dict.fromkeys(range(10), count)


def test_no_photo_is_in_two_splits_and_all_are_small_enough_to_be_carried() -> None:
    files = [path.read_bytes() for path in FOLDER.rglob("*.jpg")]
    assert len(set(files)) == len(files)
    assert sum(map(len, files)) <= 3_000_000
