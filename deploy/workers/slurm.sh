#!/bin/bash
# sbatch --nodes 2 deploy/workers/slurm.sh PHOTOS RECIPE RUN    where all three lie on storage that every node sees
#SBATCH --job-name=bakeoff
#SBATCH --ntasks-per-node=2
#SBATCH --cpus-per-task=2
#SBATCH --signal=TERM@60
#SBATCH --requeue
# A job that ends before its time gets SIGTERM a minute before: a checkpoint is written, and the same line goes on from it.
set -euo pipefail

BAKEOFF_ADDRESS="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1):29600"
BAKEOFF_TOKEN="$(openssl rand -hex 32)"
export BAKEOFF_ADDRESS BAKEOFF_TOKEN

srun --kill-on-bad-exit=1 bakeoff train "$1" -r "$2" --run "$3" --workers env
