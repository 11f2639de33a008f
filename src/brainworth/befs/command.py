"""The subcommands ``brainworth value`` and ``brainworth budget``."""

from __future__ import annotations

import argparse

from brainworth.befs import calculator, domain, model
from brainworth.befs.model import Brain
from brainworth.stats import stream

#: Seed of the pooling matrix; at the size of fMRI another one changes nothing that is printed.
SEED = 1


def add_to(commands) -> None:
    """Add both subcommands to a parser's subcommands."""
    what = "say what brain samples are worth in task samples"
    command = commands.add_parser("value", help=what, description=what)
    command.add_argument("--n-brain", type=float, required=True, help="brain samples")
    command.add_argument("--n-task", type=float, required=True, help="task samples")
    _add_system(command)
    what = "say how to split a budget between brain and task samples"
    command = commands.add_parser("budget", help=what, description=what)
    command.add_argument("--cost-brain", type=float, required=True, help="cost of a brain sample")
    command.add_argument("--cost-task", type=float, required=True, help="cost of a task sample")
    command.add_argument("--budget", type=float, required=True, help="in the same currency")
    _add_system(command)


def answer(given: argparse.Namespace) -> str:
    """Return the table that a subcommand prints.

    Raises
    ------
    BrainworthError
        If an argument is outside its domain.
    """
    common = {
        "misalignment": given.misalignment,
        "task_snr": given.task_snr,
        "samples_per_hour": given.samples_per_hour,
    }
    brain = _brain(given)
    if given.command == "value":
        appraisal = calculator.appraise(brain, n_brain=given.n_brain, n_task=given.n_task, **common)
        return appraisal.table()
    plan = calculator.plan(
        brain,
        cost_brain=given.cost_brain,
        cost_task=given.cost_task,
        budget=given.budget,
        **common,
    )
    return plan.table()


def _add_system(command: argparse.ArgumentParser) -> None:
    task = command.add_argument_group("task")
    task.add_argument(
        "--misalignment",
        type=float,
        default=0.1,
        help="share of the task that the brain does not see, 0 to 1 (default: %(default)s)",
    )
    task.add_argument(
        "--task-snr", type=float, default=1.0, help="signal over label noise (default: %(default)s)"
    )
    system = command.add_argument_group("brain (defaults: the fMRI model of arXiv 2605.09243)")
    for name, kind, default, what in (
        ("--inputs", int, 4096, "dimension of the input, d"),
        ("--latents", int, 410, "latents the brain encodes, k"),
        ("--channels", int, 10000, "channels recorded, n"),
        ("--latents-per-channel", int, 4, "latents that a channel sums"),
        ("--stimulus-share", float, 0.4, "share of a trial's variance driven by the stimulus"),
        ("--latent-share-of-noise", float, 1 / 3, "share of the noise that is in the latents"),
        ("--samples-per-hour", float, 1800, "brain samples in an hour of scanning"),
    ):
        shown = f"{default:.3g}" if isinstance(default, float) else default
        system.add_argument(name, type=kind, default=default, help=f"{what} (default: {shown})")


def _brain(given: argparse.Namespace) -> Brain:
    domain.sizes(given.inputs, given.latents, given.channels)
    matrix = model.pooling(
        given.channels,
        given.latents,
        given.latents_per_channel,
        stream(SEED, "befs", "calculator"),
    )
    return model.calibrated(
        given.inputs,
        matrix,
        stimulus=given.stimulus_share,
        latent_share=given.latent_share_of_noise,
    )
