"""A finished study as an RO-Crate (``brainworth crate``): what was run, on what, with what result.

`ro-crate-metadata.json` is written beside the Snakefile and describes one study by the Workflow
Run RO-Crate profile: the workflow, its configuration, every input by digest, every product by name
and digest. Sources: RO-Crate 1.1 (w3id.org/ro/crate/1.1), Workflow Run Crate 0.5
(w3id.org/ro/wfrun/workflow/0.5).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from brainworth import files, frozen, results, verify
from brainworth.config import Config
from brainworth.errors import BrainworthError

NAME = "ro-crate-metadata.json"
CRATE = "https://w3id.org/ro/crate/1.1"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
CONTEXT = [f"{CRATE}/context", "https://w3id.org/ro/terms/workflow-run/context"]
SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
LICENCE = "https://spdx.org/licenses/MIT"
FORMATS = {
    ".json": "application/json",
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".html": "text/html",
    ".h5": "application/x-hdf5",
    ".parquet": "application/vnd.apache.parquet",
    ".yaml": "application/yaml",
}
#: What the workflow consists of beside its Snakefile.
SOURCES = ("config.yaml", "constraints.txt", "CITATION.cff", "LICENSE", "README.md")
SOURCES = (*SOURCES, "rules/", "scripts/", "src/", "envs/")

Entity = dict[str, Any]


def write(config: Config, root: Path) -> Path:
    """Write the crate of a finished study.

    Parameters
    ----------
    config : Config
        The study's configuration, as it was run.
    root : path
        The checkout it was run in.

    Raises
    ------
    BrainworthError
        If this configuration was not run here, or results, figures and paper do not belong
        together.
    """
    folder = root / "results" / config.study
    kept = frozen.path_of(config, folder / ".run")
    if not kept.is_file():
        raise BrainworthError(
            f"study {config.study} was not run here with this configuration ({kept} does not "
            "exist); run it, or name the files it was run with"
        )
    # a crate of before would be held against files that have changed since, rightly
    problems = verify.look(folder, with_crate=False).problems
    if problems:
        raise BrainworthError(f"study {config.study} does not hold together: {problems[0]}")
    envelopes = [results.read(path) for path in verify.results_of(folder)]
    _refuse_other_settings(config, envelopes)
    graph = _graph(config, root, kept, envelopes)
    with files.whole(root / NAME) as part:
        text = json.dumps({"@context": CONTEXT, "@graph": graph}, indent=1, ensure_ascii=False)
        part.write_text(text + "\n", encoding="utf-8")
    return root / NAME


def _refuse_other_settings(config: Config, envelopes: list[Entity]) -> None:
    known = config.model_dump()
    for envelope in envelopes:
        for key, value in envelope["params"].items():
            now: Any = known
            for part in key.split("."):
                now = now[part]
            if results.to_plain(now, key) != value:
                raise BrainworthError(
                    f"the result of {envelope['rule']} was computed with another {key}; "
                    "run the study again"
                )


def _graph(config: Config, root: Path, kept: Path, envelopes: list[Entity]) -> list[Entity]:
    products = [_file(path, root) for path in _products(config.study, root)]
    written = {product["sha256"] for product in products} | {each["digest"] for each in envelopes}
    inputs = _inputs(envelopes, written)
    sources = [_source(name, root) for name in SOURCES if (root / name).exists()]
    settings = _file(kept, root) | {"name": "The configuration that was run, with every key"}
    software = _software(envelopes)
    authors = _authors(root)
    times = sorted(envelope["created"] for envelope in envelopes)
    workflow = _workflow(root, authors, software, envelopes)
    run = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"Run of study {config.study}",
        "instrument": _ref(workflow),
        "object": [_ref(each) for each in [settings, *inputs]],
        "result": [_ref(each) for each in products],
        "agent": [_ref(each) for each in authors],
        "startTime": times[0],
        "endTime": times[-1],
        "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
    }
    dataset = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"brainworth, study {config.study}",
        "description": _description(config),
        "datePublished": times[-1][:10],
        "license": {"@id": LICENCE},
        "author": [_ref(each) for each in authors],
        "conformsTo": [{"@id": profile} for profile in PROFILES],
        "mainEntity": _ref(workflow),
        "mentions": [_ref(run)],
        "hasPart": [_ref(each) for each in [workflow, *sources, settings, *products]],
    }
    return [
        {
            "@id": NAME,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": [{"@id": CRATE}, {"@id": list(PROFILES)[-1]}],
        },
        dataset,
        workflow,
        run,
        settings,
        *sources,
        *inputs,
        *products,
        *software,
        *authors,
        _language(),
        {"@id": LICENCE, "@type": "CreativeWork", "name": "MIT License"},
        *(
            {"@id": at, "@type": "CreativeWork", "name": name, "version": at.split("/")[-1]}
            for at, name in PROFILES.items()
        ),
    ]


def _products(study: str, root: Path) -> list[Path]:
    """List what a study keeps; data are inputs, which may not be handed on."""
    return [
        *(
            path
            for top in ("results", "figures")
            for path in sorted((root / top / study).rglob("*"))
            if path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(root).parts)
        ),
        *(root / "paper" / f"{study}.{kind}" for kind in verify.PAPERS),
    ]


def _file(path: Path, root: Path) -> Entity:
    name = path.relative_to(root).as_posix()
    entity = {
        "@id": name,
        "@type": "File",
        "name": name,
        "sha256": files.sha256(path),
        "contentSize": str(path.stat().st_size),
    }
    known = FORMATS.get(path.suffix)
    return entity | ({"encodingFormat": known} if known else {})


def _source(name: str, root: Path) -> Entity:
    if name.endswith("/"):
        return {"@id": name, "@type": "Dataset", "name": f"{name[:-1]} of the workflow"}
    return _file(root / name, root)


def _inputs(envelopes: list[Entity], written: set[str]) -> list[Entity]:
    """Describe what was read and not written by the run: by digest, since it may not be here."""
    found: dict[str, Entity] = {}
    for envelope in envelopes:
        for name, digest in envelope["inputs"].items():
            if digest not in written:
                entity = found.setdefault(
                    digest,
                    {
                        "@id": f"#sha256-{digest}",
                        "@type": "CreativeWork",
                        "name": Path(name).name,
                        "sha256": digest,
                    },
                )
                users = entity.setdefault("description", "Read by ")
                if envelope["rule"] not in users:
                    joint = "" if users.endswith(" ") else ", "
                    entity["description"] = f"{users}{joint}{envelope['rule']}"
    return sorted(found.values(), key=lambda entity: (entity["name"], entity["sha256"]))


def _software(envelopes: list[Entity]) -> list[Entity]:
    versions = {item for envelope in envelopes for item in envelope["software"].items()}
    return [
        {
            "@id": f"#{name}-{version}",
            "@type": "SoftwareApplication",
            "name": name,
            "softwareVersion": version,
        }
        for name, version in sorted(versions)
    ]


def _authors(root: Path) -> list[Entity]:
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    authors = []
    for author in citation["authors"]:
        person = "family-names" in author
        given = (author.get("given-names"), author.get("family-names"))
        name = " ".join(part for part in given if part) if person else author["name"]
        at = author.get("orcid") or f"#author-{name.replace(' ', '-')}"
        authors.append({"@id": at, "@type": "Person" if person else "Organization", "name": name})
    return authors


def _workflow(
    root: Path, authors: list[Entity], software: list[Entity], envelopes: list[Entity]
) -> Entity:
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    commits = sorted({each["git_commit"] for each in envelopes if each["git_commit"]})
    return _file(root / "Snakefile", root) | {
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": citation["title"],
        "description": citation["abstract"],
        "programmingLanguage": {"@id": SNAKEMAKE},
        "license": {"@id": LICENCE},
        "author": [_ref(each) for each in authors],
        "version": ", ".join([str(citation["version"]), *(f"git {each}" for each in commits)]),
        "softwareRequirements": [_ref(each) for each in software],
    }


def _language() -> Entity:
    return {
        "@id": SNAKEMAKE,
        "@type": "ComputerLanguage",
        "name": "Snakemake",
        "identifier": {"@id": "https://doi.org/10.1093/bioinformatics/bts480"},
        "url": {"@id": "https://snakemake.readthedocs.io"},
    }


def _description(config: Config) -> str:
    if config.rdms.file is not None:
        return "Results on representational dissimilarity matrices that were measured elsewhere."
    if config.data.source == "simulated":
        return "Results on simulated data in the formats of the Natural Scenes Dataset."
    return (
        "Results on the Natural Scenes Dataset. Its files are named by their digests and are not "
        "part of the crate; its terms forbid handing them on."
    )


def _ref(entity: Entity) -> Entity:
    return {"@id": entity["@id"]}
