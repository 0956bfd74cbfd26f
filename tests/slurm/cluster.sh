#!/usr/bin/env bash
# A Slurm cluster of one node on this machine, all of it in FOLDER, for tests and trials. Needs root, slurm-wlm and munge.
#
#   cluster.sh start FOLDER       munged, slurmctld and the node; prints the `export` that makes Slurm's commands find them
#   cluster.sh crash FOLDER       the node goes as in a power cut: slurmd and all that runs under it are killed; Slurm notices
#   cluster.sh node FOLDER        the node comes (back) up
#   cluster.sh stop FOLDER        everything ends; FOLDER stays, with the logs
set -euo pipefail

if [ $# -ne 2 ]; then
  sed -n '2,$ s/^# \{0,1\}//p; /^set/q' "$0" >&2
  exit 2
fi
mkdir -p "$2"
folder=$(realpath "$2")
export SLURM_CONF=$folder/slurm.conf

# Until COMMAND succeeds, a minute at most.
await() {
  for _ in $(seq 240); do
    if "$@" > /dev/null 2>&1; then return; fi
    sleep 0.25
  done
  echo "error: still not so after a minute: $*; logs are in $folder" >&2
  exit 1
}

end() { # NAME SIGNAL: of the process whose id is in NAME.pid, if it lives
  local pid
  pid=$(cat "$folder/$1.pid" 2> /dev/null) || return 0
  kill -"$2" "$pid" 2> /dev/null || true
  await gone "$pid"
  rm -f "$folder/$1.pid"
}

gone() { ! kill -0 "$1" 2> /dev/null; }

state() { sinfo --noheader --format=%T | grep -Eq "^($1)\$"; }

# Namespaces of its own make it a machine of its own. Processes: killing the first kills all, jobs included. Files: the
# configuration is in /etc/slurm, where a job step looks for it, because the plugin leaves no SLURM_CONF there.
node() {
  setsid unshare --pid --fork --mount-proc --kill-child \
    sh -c 'mount --bind "$1" /etc/slurm && exec slurmd -D' node "$folder" >> "$folder/slurmd.out" 2>&1 < /dev/null &
  echo $! > "$folder/node.pid"
  await state 'idle|mixed|allocated'
}

configure() {
  local host ports memory
  host=$(hostname -s)
  memory=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
  ports=$(python3 -c 'import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in sockets))')
  mkdir -p "$folder/state" "$folder/spool"
  cat > "$SLURM_CONF" << END
ClusterName=test
SlurmUser=root
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${ports% *}
SlurmdPort=${ports#* }
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=10
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$folder/jobs.txt
JobAcctGatherType=jobacct_gather/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MpiDefault=none
SwitchType=switch/none
PropagatePrioProcess=0
ReturnToService=2
SlurmdTimeout=10
KillWait=2
SchedulerParameters=sched_min_interval=100000,bf_interval=2
NodeName=node NodeHostname=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory
PartitionName=main Nodes=node Default=YES MaxTime=UNLIMITED
END
}

case $1 in
  start)
    configure
    chmod 755 "$folder"
    (umask 077 && head -c 128 /dev/urandom > "$folder/munge.key")
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
      --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
    slurmctld -c
    await scontrol ping
    node
    echo "export SLURM_CONF=$SLURM_CONF"
    ;;
  crash)
    end node KILL
    await state 'down\*?' # Slurm notices
    ;;
  node) node ;;
  stop)
    scancel --quiet --user="$(id -un)" || true
    end node KILL
    end slurmctld TERM
    end munged TERM
    ;;
  *) exec "$0" ;;
esac
