"""Many videos: found, analysed one after another or on many machines, and listed in one table.

``run.py`` is the entry. ``inputs.py`` finds what there is to analyse, ``finished.py`` knows what is done already, ``job.py``
analyses one file, ``pieces.py`` and ``joining.py`` one that is cut into pieces, ``local.py`` and ``cluster.py`` do all of
them, in this process or with dask, ``sizing.py`` measures how many processes are best here, ``summary.py`` writes the table.
"""
