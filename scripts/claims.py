"""Every published statement held to the results of the study."""

from collections import defaultdict
from pathlib import Path

from brainworth import results
from brainworth.job import job, write_result
from brainworth.report.ledger import claims_file, evaluate
from brainworth.report.origin import is_simulated, matching_of, origin

with job(snakemake) as given:
    found = defaultdict(list)
    for path in map(Path, [*snakemake.input.results, *snakemake.input.planted]):
        envelope = results.read(path)
        found[envelope["rule"]].append(envelope)
    source = origin(given["data.source"], given["rdms.file"], given["roi_means.dir"])
    if is_simulated(source, matching_of({rule: each[0] for rule, each in found.items()})):
        source = "simulated"
    claims = claims_file.read(snakemake.input.ledger)
    answers = evaluate.evaluate(claims, found, source)
    write_result(snakemake, given, given["study"], {"source": source, "claims": answers})
