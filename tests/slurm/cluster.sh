#!/bin/bash
# A throw-away SLURM of one node on this machine, for the tests: as root, on loopback only, without systemd.
#
#   cluster.sh up      install what is missing (apt-get), start, wait until the node is idle; prints the environment to use
#   cluster.sh down    cancel all jobs, stop what `up` started, remove its folder
#
# FXS_HPC_SLURM_DIR: its folder (a short path: it holds sockets). Starting what runs already does nothing.
set -euo pipefail
DIR=${FXS_HPC_SLURM_DIR:-/tmp/fxs-hpc-slurm}
PORT=${FXS_HPC_SLURM_PORT:-26810}
HOST=$(hostname -s)
CPUS=4 # pretended: tests hardly compute
GPUS=2
export SLURM_CONF=$DIR/etc/slurm.conf

die() { echo "cluster.sh: $*" >&2; exit 1; }

# A daemon that has ended is a zombie until it is reaped; a zombie has no exe.
alive() {
    local pid
    pid=$(cat "$DIR/run/$1.pid" 2>/dev/null) && [ -n "$pid" ] && [[ $(readlink "/proc/$pid/exe" 2>/dev/null) == *$1* ]]
}

# Nobody's output pipe may stay open in a daemon: who reads it would wait for ever.
start() { # start DAEMON ARGUMENTS...
    if ! alive "$1"; then setsid "$@" >"$DIR/log/$1.out" 2>&1 </dev/null & fi
}

wait_for() { # wait_for SECONDS WHAT COMMAND...
    local until=$((SECONDS + $1)) what=$2
    shift 2
    while [ $SECONDS -le $until ]; do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.05
    done
    tail -n 5 "$DIR"/log/*.log >&2 || true
    die "$what does not come up"
}

port_open() { timeout 1 bash -c "exec 3<>/dev/tcp/127.0.0.1/$1"; }
idle() { timeout 3 sinfo -h -t idle,mix,alloc -o %N | grep -q .; }

install() {
    local need=()
    [ -x /usr/sbin/slurmctld ] || need+=(slurmctld)
    [ -x /usr/sbin/slurmd ] || need+=(slurmd)
    [ -x /usr/bin/sbatch ] || need+=(slurm-client)
    [ -x /usr/sbin/munged ] || need+=(munge)
    [ -x /usr/sbin/slurmdbd ] || need+=(slurmdbd)
    [ -x /usr/sbin/mariadbd ] || need+=(mariadb-server-core)
    [ -e /usr/lib/x86_64-linux-gnu/slurm-wlm/select_cons_tres.so ] || dpkg -s slurm-wlm-basic-plugins >/dev/null 2>&1 || need+=(slurm-wlm-basic-plugins)
    [ ${#need[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "SLURM is not installed, and there is no apt-get"
    local get=(apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "${need[@]}")
    export DEBIAN_FRONTEND=noninteractive
    # No daemon of a package may start by itself.
    [ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; }
    "${get[@]}" >"$DIR/log/apt" 2>&1 || { apt-get update >>"$DIR/log/apt" 2>&1 && "${get[@]}" >>"$DIR/log/apt" 2>&1; } ||
        die "apt-get cannot install ${need[*]}: $(tail -n 1 "$DIR/log/apt")"
}

start_munge() {
    [ -s "$DIR/etc/munge.key" ] || (umask 077; head -c 1024 /dev/urandom >"$DIR/etc/munge.key")
    alive munged || munged --force --num-threads=2 --key-file="$DIR/etc/munge.key" --socket="$DIR/run/munge.sock" \
        --pid-file="$DIR/run/munged.pid" --log-file="$DIR/log/munged.log" --seed-file="$DIR/run/munge.seed" >"$DIR/log/munged.out" 2>&1 ||
        die "munged: $(cat "$DIR/log/munged.out")"
    wait_for 5 munged munge -S "$DIR/run/munge.sock" -n
}

start_accounting() {
    if ! [ -d "$DIR/db/mysql" ]; then
        # mariadb-install-db wants programs of other packages; this is what it does.
        { echo "create database mysql;"; echo "use mysql;"; echo "SET @auth_root_socket=NULL;"
          cat /usr/share/mysql/mysql_system_tables.sql /usr/share/mysql/mysql_system_tables_data.sql
        } | mariadbd --no-defaults --bootstrap --user=root --datadir="$DIR/db" --innodb-log-file-size=16M >"$DIR/log/bootstrap" 2>&1
    fi
    start mariadbd --no-defaults --user=root --datadir="$DIR/db" --socket="$DIR/run/mysql.sock" --skip-networking \
        --pid-file="$DIR/run/mariadbd.pid" --log-error="$DIR/log/mariadbd.log" --innodb-buffer-pool-size=128M \
        --innodb-flush-log-at-trx-commit=0 --innodb-lock-wait-timeout=900 --skip-log-bin
    wait_for 30 mariadbd alive mariadbd
    wait_for 30 mariadbd test -S "$DIR/run/mysql.sock"
    cat >"$DIR/etc/slurmdbd.conf" <<C
AuthType=auth/munge
AuthInfo=socket=$DIR/run/munge.sock
DbdHost=localhost
DbdAddr=127.0.0.1
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
DbdPort=$((PORT + 2))
SlurmUser=root
LogFile=$DIR/log/slurmdbd.log
PidFile=$DIR/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct
CommitDelay=0
C
    chmod 600 "$DIR/etc/slurmdbd.conf"
    MYSQL_UNIX_PORT=$DIR/run/mysql.sock start slurmdbd -D
    wait_for 30 slurmdbd port_open $((PORT + 2))
}

configure() {
    local memory
    memory=$(awk '/MemTotal/{print int($2/1024*0.9)}' /proc/meminfo)
    cat >"$DIR/etc/slurm.conf" <<C
ClusterName=tests
SlurmctldHost=$HOST(127.0.0.1)
SlurmctldPort=$PORT
AuthType=auth/munge
# cred_expire: so long a requeued job waits before it may start again (default 120 s)
AuthInfo=socket=$DIR/run/munge.sock,cred_expire=5
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/spool
SlurmctldPidFile=$DIR/run/slurmctld.pid
SlurmdPidFile=$DIR/run/slurmd.pid
SlurmctldLogFile=$DIR/log/slurmctld.log
SlurmdLogFile=$DIR/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
TmpFS=$DIR/tmp
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=5,bf_interval=1,bf_resolution=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
CompleteWait=0
KillWait=5
ReturnToService=2
JobRequeue=1
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((PORT + 2))
AccountingStoragePass=$DIR/run/munge.sock
GresTypes=gpu
NodeName=$HOST NodeAddr=127.0.0.1 Port=$((PORT + 1)) CPUs=$CPUS RealMemory=$memory Gres=gpu:$GPUS State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=10 State=UP
C
    # Generic resources want device files with numbers.
    for ((i = 0; i < GPUS; i++)); do [ -c "$DIR/dev/gpu$i" ] || mknod -m 666 "$DIR/dev/gpu$i" c 1 3; done
    echo "Name=gpu File=$DIR/dev/gpu[0-$((GPUS - 1))]" >"$DIR/etc/gres.conf"
    echo "CgroupPlugin=cgroup/v1" >"$DIR/etc/cgroup.conf"
}

up() {
    [ "$(id -u)" = 0 ] || die "only root can start a SLURM of its own"
    mkdir -p "$DIR"/{etc,log,run,state,spool,db,dev,tmp}
    # Two that start at a time install one after the other.
    exec 9>/tmp/fxs-hpc-slurm.lock
    flock 9
    install
    exec 9>&-
    start_munge
    [ -e "$DIR/etc/slurm.conf" ] || configure
    start_accounting
    start slurmctld -D -i
    start slurmd -D
    wait_for 30 slurmctld port_open "$PORT"
    wait_for 30 "the node" idle
    echo "SLURM_CONF=$SLURM_CONF"
}

down() {
    [ -d "$DIR/run" ] || return 0
    if alive slurmctld; then
        timeout 5 scancel -u root || true
        for _ in $(seq 60); do [ -z "$(timeout 5 squeue -h || true)" ] && break; sleep 0.1; done
    fi
    local name pid
    for name in slurmd slurmctld slurmdbd mariadbd munged; do
        alive "$name" || continue
        pid=$(cat "$DIR/run/$name.pid")
        kill "$pid" || true
        for _ in $(seq 100); do alive "$name" || break; sleep 0.05; done
        ! alive "$name" || kill -9 "$pid" || true
    done
    rm -rf "$DIR"
}

case ${1:-} in
    up) up ;;
    down) down ;;
    *) die "up or down?" ;;
esac
