"""From what a study says of its feature spaces to the spaces of a subject's images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from brainworth import files
from brainworth.bridges.feature_spaces import ideal_observer, planted_spaces, spaces
from brainworth.bridges.feature_spaces.planted_spaces import PlantedSpace
from brainworth.bridges.feature_spaces.space_truth import Truth
from brainworth.bridges.feature_spaces.spaces import Reduced
from brainworth.encoder import voxel_files
from brainworth.encoder.features import store
from brainworth.encoder.targets import TEST, TRAIN, Targets
from brainworth.errors import BrainworthError
from brainworth.nsd import betas
from brainworth.nsd.simulate import truth as simulated
from brainworth.sections.data import Simulation


def regions(extract: Path, targets: Targets) -> dict[str, np.ndarray]:
    """Return the voxels of each region of an extract, as columns of the targets.

    Raises
    ------
    BrainworthError
        If the extract has other voxels than the targets.
    """
    members = [set(each.split(";")) for each in voxel_files.regions_of(extract, targets)]
    return {
        name: np.array([v for v, each in enumerate(members) if name in each], dtype=np.int64)
        for name in betas.regions_in(extract)
    }


@dataclass
class Sources:
    """Where the spaces of a study come from.

    Attributes
    ----------
    spaces : sequence of mappings
        Entries of ``bridges.feature_spaces.spaces``.
    features : path
        The encoder's features.
    grid, token_features : int
        ``encoder.features.grid`` and ``encoder.ridge.token_features``.
    image_truth : path or None
        The truth about simulated images.
    simulation : Simulation or None
    seed : int
        Root seed of the study.
    """

    spaces: Sequence[Mapping[str, Any]]
    features: Path
    grid: int
    token_features: int
    image_truth: Path | None
    simulation: Simulation | None
    seed: int
    _shown: np.ndarray | None = field(default=None, init=False)
    _planted: dict[str, PlantedSpace] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        planted = [space for space in self.spaces if space["source"] == "planted"]
        if self.image_truth is None:
            if planted:
                raise BrainworthError(
                    f"{spaces.key_of(planted[0]['name'])}: it is planted, and only simulated data "
                    "can have planted spaces; take it out"
                )
            return
        self._shown = simulated.read_images(self.image_truth).features
        shared = self._shown[:, : self.simulation.shared_features]
        for space in planted:
            settings = {key: space[key] for key in ("alignment", "snr", "dimension", "name")}
            self._planted[space["name"]] = planted_spaces.plant(shared, **settings, seed=self.seed)

    def read(self, targets: Targets, n_components: int) -> dict[str, Reduced]:
        """Return the spaces of a subject's images, in the order of the rows of its targets.

        Parameters
        ----------
        n_components : int
            Principal components at most.

        Raises
        ------
        BrainworthError
            If a file is missing or damaged, or a space has no such part or does not vary.
        """
        train = targets.rows(TRAIN)
        answer = {}
        described = None
        for space in self.spaces:
            name = space["name"]
            if space["source"] == "planted":
                values = self._planted[name].values[targets.nsd_id]
            else:
                if space["source"] == "encoder":
                    if described is None:
                        described = self._described(targets.nsd_id)
                    features = described
                else:
                    features = spaces.read_file(
                        Path(space["file"]),
                        targets.nsd_id,
                        part=space["part"],
                        grid=self.grid,
                        name=name,
                    )
                values = spaces.part_of(
                    features, space["part"], train, token_features=self.token_features, name=name
                )
            answer[name] = spaces.reduce(values, train, n_components, name)
        return answer

    def truth(self, targets: Targets, path: Path) -> Truth:
        """Return what is known of a simulated subject.

        Parameters
        ----------
        path : path
            The truth about the subject.
        """
        about = simulated.read_subject(path)
        columns = simulated.own_features(targets.subject, self.simulation)
        test = targets.nsd_id[targets.rows(TEST)]
        return Truth(
            ideal_observer.generator(about, targets.ijk, self.simulation),
            self._shown[test][:, columns],
            {
                name: planted.knowledge(test, self.simulation.individual_features)
                for name, planted in self._planted.items()
            },
        )

    def describe(self) -> list[dict[str, Any]]:
        """Return what the spaces are, ready for JSON: as the study says, and what is known."""
        answer = []
        for space in self.spaces:
            entry = {
                "space": space["name"],
                "source": space["source"],
                "part": space.get("part"),
                "alignment": space.get("alignment"),
                "snr": space.get("snr"),
                "backend": None,
                "sha256": None,
            }
            if space["source"] == "encoder":
                with h5py.File(self.features, "r") as file:
                    entry["backend"] = str(file.attrs["backend"])
                    entry["sha256"] = str(file.attrs["weights_sha256"]) or None
            elif space["source"] == "file":
                entry["backend"] = "file"
                entry["sha256"] = files.sha256(space["file"])
            answer.append(entry)
        return answer

    def _described(self, nsd_id: np.ndarray) -> store.Features:
        tokens = any(
            space["source"] == "encoder" and space["part"] == spaces.ALL for space in self.spaces
        )
        return store.read(self.features, nsd_id, tokens=tokens, half=True)
