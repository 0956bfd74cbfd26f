"""Prepare the labelled images: read, resize, count per class, and take mean and standard deviation per channel."""

import logging
import sys

from job import job

from lib.data.images import images
from lib.data.provenance import provenance
from lib.files import write_json

with job(snakemake) as log:
    # Warnings are for the terminal too, where a stand-in for CIFAR-10 must not go unnoticed.
    terminal = logging.StreamHandler(sys.__stderr__)
    terminal.setLevel(logging.WARNING)
    logging.getLogger().addHandler(terminal)

    dataset, origin = images(**snakemake.params.settings, path=snakemake.params.path, seed=snakemake.params.seed)
    log.info("%s: %d training and %d test images", dataset.name, len(dataset.train_x), len(dataset.test_x))
    dataset.save(snakemake.output.data)
    write_json(provenance(dataset, **origin), snakemake.output.provenance)
