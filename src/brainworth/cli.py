"""The command ``brainworth``: what one wants to know around a run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from brainworth import __version__, acquisition, config, crate, timing, verify
from brainworth.befs import command as befs
from brainworth.errors import BrainworthError


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status (0 fine, 1 bad input or problems found)."""
    parser = argparse.ArgumentParser(prog="brainworth", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    for name, what in (
        ("check", "say whether a configuration is valid, and why not"),
        ("summary", "print where the PDF is and what each stage took"),
        ("crate", "describe a finished study as an RO-Crate (ro-crate-metadata.json)"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("study", nargs="*", type=Path, help="files laid over the base")
        command.add_argument(
            "--base", type=Path, default=Path("config.yaml"), help="default: %(default)s"
        )
    commands.add_parser("schema", help="print the JSON schema of config.yaml")
    command = commands.add_parser(
        "verify", help="say whether results, figures and papers belong together"
    )
    command.add_argument(
        "folder", nargs="?", type=Path, default=Path("results"), help="default: %(default)s"
    )
    acquisition.add_to(commands)
    befs.add_to(commands)
    export = commands.add_parser(
        "export-roi-means", help="write the mean responses of a study's regions, a file a subject"
    )
    export.add_argument("study", type=Path, help="results of a study, such as results/simulated")
    export.add_argument("folder", type=Path, help="where the files go (docs/roi-means.md)")
    _add_predict(commands)

    given = parser.parse_args(arguments)
    try:
        if given.command == "schema":
            print(config.schema(), end="")
            return 0
        if given.command in ("value", "budget"):
            print(befs.answer(given))
            return 0
        if given.command == "verify":
            return _verify(given.folder)
        if given.command == "export-roi-means":
            # The libraries that read brains take a second to load, which the calculator should not.
            from brainworth.nsd import roi_means_export

            for path in roi_means_export.export_study(given.study, given.folder):
                print(path)
            return 0
        if given.command == "predict":
            # PyTorch takes seconds to load.
            from brainworth.encoder import predict

            n = predict.predict(
                *(given.study, given.subject, given.images, given.output),
                dataset=given.dataset,
                weights=given.weights,
                device=given.device,
            )
            what = "1 image" if n == 1 else f"{n} images"
            print(f"{given.output}: {given.subject}'s predicted responses to {what}")
            return 0
        study = config.load(given.base, *given.study)
        if given.command in ("plan", "doctor"):
            text, status = acquisition.answer(given, study)
            print(text)
            return status
        if given.command == "check":
            print(f"study {study.study}: valid")
        elif given.command == "crate":
            print(f"study {study.study}: {crate.write(study, given.base.resolve().parent)}")
        else:
            print(timing.summary(study.study))
    except BrainworthError as error:
        print(f"brainworth: {error}", file=sys.stderr)
        return 1
    return 0


def _add_predict(commands: argparse._SubParsersAction) -> None:
    what = "predict a subject's responses to new images by the encoder of a finished study"
    command = commands.add_parser("predict", help=what, description=what)
    command.add_argument("study", type=Path, help="results of a study, such as results/simulated")
    command.add_argument(
        "images",
        nargs="+",
        type=Path,
        help="PNG or JPEG files, folders of them, or HDF5 of uint8, images x height x width x 3",
    )
    command.add_argument("--subject", required=True, help="such as subj01")
    command.add_argument("--output", required=True, type=Path, help="HDF5 file to write")
    command.add_argument("--dataset", help="of HDF5 files that have several")
    command.add_argument("--weights", type=Path, help="of dinov2, if they were moved")
    command.add_argument("--device", default="cpu", help="of dinov2 (default: %(default)s)")


def _verify(folder: Path) -> int:
    """Print what does not hold together; 1 if anything does not."""
    status = 0
    for study in verify.studies_in(folder.resolve()):
        found = verify.look(study)
        for problem in found.problems:
            print(problem)
            status = 1
        gone = f", {found.unchecked} of them no longer here" if found.unchecked else ""
        verdict = "does not hold together" if found.problems else "holds together"
        print(
            f"{study.name}: {found.n_results} results, {found.n_inputs} inputs{gone}, figures and "
            f"paper: {verdict}"
        )
    return status
