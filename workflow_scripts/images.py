"""Prepare a labelled data set: read, resize, count per class, and take mean and standard deviation per channel."""

import logging
import sys

from job import job

from lib.data.images import images
from lib.data.own import own
from lib.data.provenance import provenance
from lib.files import write_json

with job(snakemake) as log:
    # Warnings are for the terminal too, where a stand-in for CIFAR-10 must not go unnoticed.
    terminal = logging.StreamHandler(sys.__stderr__)
    terminal.setLevel(logging.WARNING)
    logging.getLogger().addHandler(terminal)

    name, settings = snakemake.wildcards.dataset, snakemake.params.settings
    place = {"path": snakemake.params.path, "seed": snakemake.params.seed}
    dataset, origin = images(**settings, **place) if name == "images" else own(**{"name": name} | settings | place)
    log.info("%s: %d training and %d test samples", dataset.name, len(dataset.train_x), len(dataset.test_x))
    dataset.save(snakemake.output.data)
    write_json(provenance(dataset, **origin), snakemake.output.provenance)
