#!/bin/sh
# Stands in for ssh as mpiexec's launcher: lab_enter.sh [-options] HOST COMMAND …
# runs COMMAND in the network and mount namespaces of HOST. GRADWIRE_LAB_HOST_<HOST> is the /proc folder of a process in them.
while case $1 in -*) true ;; *) false ;; esac; do shift; done
process=$(printenv "GRADWIRE_LAB_HOST_$1") || {
  echo "lab_enter.sh: no lab around, or no host $1 in it" >&2
  exit 2
}
shift
exec nsenter --net="$process/ns/net" --mount="$process/ns/mnt" -- sh -c "$*"
