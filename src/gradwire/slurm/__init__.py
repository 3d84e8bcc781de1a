"""Slurm: the text of batch scripts, the site's settings, how srun and MPI meet, and what the queue says.

script.py writes the files of slurm/ and those of `gradwire submit`, from the text in bodies.py; site.py reads the site's TOML; pmi.py
chooses srun's --mpi; queue.py calls sbatch, squeue and sacct and keeps the list of submitted jobs. Nothing here prints or imports MPI.
"""
