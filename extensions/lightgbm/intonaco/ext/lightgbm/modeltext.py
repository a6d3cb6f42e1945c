"""The text of a LightGBM model, checked before LightGBM parses it.

LightGBM trusts its own format: a forged or torn text makes it read where nothing is, or never come to a leaf. What is checked
here is what its parser and its walk down a tree take for granted.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["check_model_text"]

_END = "end of trees"
_TAIL = re.compile(
    r"end of trees\n\nfeature_importances:\n([^\n=]+=[0-9.e+]+\n)*\nparameters:\n(\[[a-z0-9_]+: [^\n]*\]\n)*\nend of parameters\n"
    r"\npandas_categorical:[^\n]*\n?"
)
_SIZES = ("version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx")
_HEADER = (*_SIZES, "objective", "average_output", "feature_names", "monotone_constraints", "feature_infos", "tree_sizes")
_SPLITS = {"split_feature": np.int64, "threshold": np.float64, "decision_type": np.int64, "left_child": np.int64, "right_child": np.int64}
_SPLITS |= {"split_gain": np.float64, "internal_value": np.float64, "internal_weight": np.float64, "internal_count": np.int64}
_LEAVES = {"leaf_value": np.float64, "leaf_weight": np.float64, "leaf_count": np.int64}
_CATEGORIES = ("cat_boundaries", "cat_threshold")
_TREE = ("Tree", "num_leaves", "num_cat", *_SPLITS, *_LEAVES, *_CATEGORIES, "is_linear", "shrinkage")


def check_model_text(text: str) -> None:
    """Raise ValueError where the text is not a whole, sound model."""
    head, trees, tail = _parts(text)
    header = _header(head)
    features, per_round = int(header["max_feature_idx"]) + 1, int(header["num_tree_per_iteration"])
    if len(header["feature_names"].split()) != features or len(header["feature_infos"].split()) != features:
        raise ValueError(f"the header names other than {features} features")
    if int(header["num_class"]) != per_round or per_round < 1 or len(trees) % per_round:
        raise ValueError(f"{len(trees)} trees cannot be shared out over {per_round} a round")
    if _TAIL.fullmatch(tail) is None:
        raise ValueError("its importances, its parameters or its end are torn")
    for number, tree in enumerate(trees):
        _check_tree(_pairs(tree, _TREE), features, f"tree {number}")


def _parts(text: str) -> tuple[str, list[str], str]:
    """The header, the trees as their sizes cut them, and what follows."""
    head, _, rest = text.partition("\n\n")
    sizes = [int(size) for size in _header(head)["tree_sizes"].split()]
    ends = np.cumsum([0, *sizes])
    body = rest.encode()
    if min(sizes, default=0) < 0 or not body[ends[-1] :].startswith(_END.encode()):
        raise ValueError("the trees do not have the sizes that the header tells")
    trees = [body[first:last].decode() for first, last in pairwise(ends)]
    if any(not tree.startswith(f"Tree={number}\n") for number, tree in enumerate(trees)):
        raise ValueError("the trees are not where the header tells")
    return head, trees, body[ends[-1] :].decode()


def _header(text: str) -> dict[str, str]:
    first, _, rest = text.partition("\n")
    if first != "tree":
        raise ValueError("it does not start as a model")
    return _pairs(rest.replace("\naverage_output\n", "\naverage_output=\n"), _HEADER)


def _pairs(text: str, allowed: Sequence[str]) -> dict[str, str]:
    """`name=value` lines, each name once and known."""
    pairs = [line.split("=", 1) for line in text.rstrip("\n").split("\n")]
    names = [pair[0] for pair in pairs]
    if len(set(names)) < len(names) or not set(names) <= set(allowed) or any(len(pair) < 2 for pair in pairs):
        raise ValueError("lines are torn, doubled or unknown")
    return _Named(pairs)


class _Named(dict[str, str]):
    """Names to values, of which each must be there."""

    def __missing__(self, name: str) -> str:
        raise ValueError(f"{name} is missing")


def _check_tree(tree: Mapping[str, str], features: int, where: str) -> None:
    leaves, categories = int(tree["num_leaves"]), int(tree["num_cat"])
    if leaves < 1 or categories < 0 or int(tree["is_linear"]) != 0:
        raise ValueError(f"{where} has {leaves} leaves, {categories} categorical splits or linear leaves")
    if leaves == 1:
        _numbers(tree["leaf_value"], np.float64, 1, where)
        return
    for name, kind in _LEAVES.items():
        _numbers(tree[name], kind, leaves, where)
    splits = {name: _numbers(tree[name], kind, leaves - 1, where) for name, kind in _SPLITS.items()}
    if splits["split_feature"].min() < 0 or splits["split_feature"].max() >= features:
        raise ValueError(f"{where} splits by a feature that is not there")
    for name in ("left_child", "right_child"):
        _check_children(splits[name], leaves, where)
    _check_categories(tree, splits, categories, where)


def _numbers(text: str, kind: Any, count: int, where: str) -> NDArray[Any]:
    values = np.array(text.split(), dtype=kind)
    if len(values) != count:
        raise ValueError(f"{where} has {len(values)} values where {count} belong")
    return values


def _check_children(children: NDArray[np.int64], leaves: int, where: str) -> None:
    """A child is a leaf, as its complement, or a node behind its parent, so that every walk ends."""
    behind = (children > np.arange(len(children))) & (children < leaves - 1)
    leaf = (children < 0) & (~children < leaves)
    if not (behind | leaf).all():
        raise ValueError(f"{where} has a node whose child is not there or lies before it")


def _check_categories(tree: Mapping[str, str], splits: Mapping[str, NDArray[Any]], count: int, where: str) -> None:
    chosen = splits["threshold"][(splits["decision_type"] & 1) == 1]
    if count == 0 and len(chosen) == 0:
        return
    bounds = _numbers(tree["cat_boundaries"], np.int64, count + 1, where)
    if bounds[0] != 0 or (np.diff(bounds) < 0).any() or not ((chosen >= 0) & (chosen < count)).all():
        raise ValueError(f"{where} has a categorical split whose categories are not there")
    _numbers(tree["cat_threshold"], np.int64, int(bounds[-1]), where)
