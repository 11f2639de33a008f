"""Whether the results, figures and paper of a study belong together (``brainworth verify``).

Every JSON carries its own digest and those of the files it was computed from, every figure and
every paper the digests of the JSON behind it. Here all of them are computed anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from brainworth import files, results
from brainworth.errors import BrainworthError

#: How a paper is kept: where it names its results, and what it ends with.
PAPERS = {
    "pdf": (re.compile(rb"/Keywords \(results([0-9a-f ]*)\)"), b"%%EOF"),
    "html": (re.compile(rb'<meta name="keywords" content="results([0-9a-f ]*)">'), b"</html>"),
}


def studies_in(folder: Path) -> list[Path]:
    """Return the folders of studies: `folder` itself, or those directly inside it.

    Raises
    ------
    BrainworthError
        If there is none.
    """
    if any(results_of(folder)) and folder.parent.name == "results":
        return [folder]
    found = sorted(path for path in folder.glob("*") if path.is_dir() and any(results_of(path)))
    if not found:
        raise BrainworthError(
            f"{folder} holds no results; give results/ or results/STUDY of a checkout"
        )
    return found


@dataclass(frozen=True)
class Findings:
    """What a look at a study found.

    Attributes
    ----------
    n_results, n_inputs : int
        Results read, and digests of inputs compared.
    problems : list of str
        What does not hold together, one sentence each.
    unchecked : int
        Inputs that are not here any more (session files dropped after their extraction, say).
    """

    n_results: int
    n_inputs: int
    problems: list[str]
    unchecked: int


def look(folder: Path, *, with_crate: bool = True) -> Findings:
    """Compute anew every digest of a study.

    Parameters
    ----------
    folder : path
        ``results/STUDY`` of a checkout; figures, paper and data are looked for beside it.
    with_crate : bool
        Hold every product against its digest in the checkout's RO-Crate, if it has one of this
        study.
    """
    root, study = folder.parent.parent, folder.name
    found: list[str] = []
    envelopes: dict[Path, dict[str, Any]] = {}
    for path in results_of(folder):
        try:
            envelopes[path] = results.read(path)
        except BrainworthError as error:
            found.append(str(error))
    found += [
        f"{path} belongs to study {envelope['study']}, and lies in the folder of {study}"
        for path, envelope in envelopes.items()
        if envelope["study"] != study
    ]
    changed, unchecked = _inputs(envelopes, root, study)
    found += changed
    digests = {envelope["digest"] for envelope in envelopes.values()}
    return Findings(
        n_results=len(envelopes),
        n_inputs=sum(len(envelope["inputs"]) for envelope in envelopes.values()),
        problems=[
            *found,
            *_pictures(root, study, digests),
            *(text for kind in PAPERS for text in _paper(root, study, kind, digests)),
            *(_crate(root, study) if with_crate else []),
        ],
        unchecked=unchecked,
    )


def keywords(digests: Iterable[str]) -> str:
    """Return what a paper keeps of the results it was set from."""
    return " ".join(["results", *sorted(digest[:16] for digest in digests)])


def results_of(folder: Path) -> list[Path]:
    """List the results of a study."""
    return sorted([*folder.glob("*.json"), *folder.glob("[!.]*/*.json")])


def _inputs(envelopes: dict[Path, dict[str, Any]], root: Path, study: str) -> tuple[list[str], int]:
    """Look for every input of every result among the files that are there now."""
    places = [root / "results" / study, root / "data" / study]
    here = [
        *(path for place in places for path in sorted(place.rglob("*")) if _counts(path, place)),
        root / "paper" / "claims.yaml",
        *(root / envelope["params"]["rdms"]["file"] for envelope in _of_rule(envelopes, "import")),
    ]
    here = [path for path in here if path.is_file()]
    known = {
        results.input_digest(path) for path in tqdm(here, desc=f"{study}: files", disable=None)
    }
    names = {path.name for path in here}
    changed, unchecked = [], 0
    for path, envelope in envelopes.items():
        for name, digest in envelope["inputs"].items():
            if digest in known:
                continue
            if "/" in name and Path(name).name not in names:
                unchecked += 1
                continue
            changed.append(
                f"{path} was computed from another version of {name} ({digest[:12]}) than is here "
                "now; run the study again"
            )
    return changed, unchecked


def _of_rule(envelopes: dict[Path, dict[str, Any]], begins: str) -> list[dict[str, Any]]:
    return [each for each in envelopes.values() if each["rule"].startswith(begins)]


def _counts(path: Path, place: Path) -> bool:
    """Leave out hidden files: what a run keeps for itself, and files being written."""
    return not any(part.startswith(".") for part in path.relative_to(place).parts)


def _pictures(root: Path, study: str, digests: set[str]) -> list[str]:
    found = []
    for picture in sorted((root / "figures" / study).glob("*.png")):
        try:
            with Image.open(picture) as image:
                source = image.info.get("Source", "").split()
                image.load()  # a truncated picture is told by its end
        except OSError:
            source = []
        if not source or not set(source) <= digests:
            found.append(f"{picture} was not drawn from these results; delete it and run again")
    return found


def _paper(root: Path, study: str, kind: str, digests: set[str]) -> list[str]:
    paper = root / "paper" / f"{study}.{kind}"
    keywords_of, end = PAPERS[kind]
    if not paper.is_file():
        return [f"{paper} does not exist; run the study"]
    content = paper.read_bytes()
    if not content.rstrip().endswith(end):
        return [f"{paper} is truncated; delete it and run again"]
    said = keywords_of.search(content)
    if said is None or not set(said.group(1).decode().split()) <= {d[:16] for d in digests}:
        return [f"{paper} was not set from these results; delete it and run again"]
    return []


def _crate(root: Path, study: str) -> list[str]:
    """Compare the bytes of every product with the RO-Crate, if that is of this study."""
    path = root / "ro-crate-metadata.json"
    if not path.is_file():
        return []
    try:
        graph = json.loads(path.read_text(encoding="utf-8"))["@graph"]
        known = {each["@id"]: each["sha256"] for each in graph if each.get("@type") == "File"}
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        return [f"{path} is not an RO-Crate of brainworth; delete it and run `brainworth crate`"]
    papers = tuple(f"paper/{study}.{kind}" for kind in PAPERS)
    if not set(papers) & set(known):
        return []
    tops = (f"results/{study}/", f"figures/{study}/", *papers)
    found = []
    for name, digest in known.items():
        if name.startswith(tops):
            file = root / name
            if not file.is_file():
                found.append(f"{file} is in {path.name} and is not here; run the study again")
            elif files.sha256(file) != digest:
                found.append(
                    f"{file} is not the file that {path.name} describes; if the study was run "
                    "again since, run `brainworth crate`, else delete the file and run the study"
                )
    return found
