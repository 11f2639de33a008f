"""YAML in which a key that stands twice is an error.

YAML forbids repeated keys, but PyYAML (and so Snakemake) keeps the last one without a word: a study
would then run with another number than its author reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        first: dict[Any, yaml.Node] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in first:
                lines = [each.start_mark.line + 1 for each in (first[key], key_node)]
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key!r} stands twice, in line {lines[0]} and in line"
                    f" {lines[1]}; keep one of them"
                )
            first[key] = key_node
        return super().construct_mapping(node, deep)


def read(path: Path) -> Any:
    """Read a YAML file.

    Raises
    ------
    yaml.YAMLError
        If it is not YAML, or a key stands twice in one mapping; the message says in which lines.
    OSError, UnicodeDecodeError
        If it cannot be read.
    """
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
