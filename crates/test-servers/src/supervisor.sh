# Keeps one server's directory and ends with whoever started it: standard input is a pipe whose other end only that
# process holds, so the kernel closes it even when the process is killed. Then every process that works in the
# directory is ended and the directory is removed. Nothing else is touched.
#
# $1: what the directory is for, part of its name. $2: `memory` or `disk`, where the directory is to be unless TMPDIR
# says. Prints the directory's path, then nothing more.
trap '' HUP INT QUIT TERM

# In kB. A container has 64 MB of /dev/shm; then, or when memory is short, the disk has to do.
space=$(df -kP /dev/shm 2>/dev/null | { read -r _; read -r _ _ _ free _; echo "$free"; })
memory=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' /proc/meminfo)
folder=/tmp
if [ "$2" = memory ] && [ -w /dev/shm ] && [ "${space:-0}" -ge 4000000 ] && [ "${memory:-0}" -ge 8000000 ]; then
    folder=/dev/shm
fi
home=$(mktemp -d "${TMPDIR:-$folder}/keystead-$1-XXXXXX") || exit 1
echo "$home"
exec >/dev/null 2>&1

while read -r _; do :; done

# Sends signal $1 to all that work in the directory; succeeds when there was anything.
signal() {
    found=1
    for process in /proc/[0-9]*; do
        if [ "$process/cwd" -ef "$home" ] || [ "$process/cwd" -ef "$home/data" ]; then
            kill -s "$1" "${process#/proc/}" && found=0
        fi
    done
    return $found
}

signal CONT
# PostgreSQL gives its System V memory back when it is asked to end at once, and not when it is killed.
lock=$home/data/postmaster.pid
if [ -f "$lock" ] && read -r postmaster <"$lock" && [ "/proc/$postmaster/cwd" -ef "$home/data" ]; then
    kill -s QUIT "$postmaster"
    tries=0
    while [ $tries -lt 100 ] && signal 0; do
        tries=$((tries + 1))
        sleep 0.02
    done
fi
while signal KILL; do sleep 0.01; done
# Left by a postmaster that was killed: its seventh line is "key id" of the memory.
if [ -f "$lock" ]; then
    ipcrm -m "$(sed -n '7s/^ *[0-9]* *//p' "$lock")"
fi
rm -rf "$home"
