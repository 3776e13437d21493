# Runs the driver of a browser and ends with whoever started it: standard input is a pipe whose other end only that
# process holds, so the kernel closes it even when the process is killed. Then the driver and the browser it started,
# which stay in the driver's process group, are ended, and their directory, which HOME names, is removed.
#
# $@: the driver. What it prints goes to standard output, which ends with it.
trap '' HUP INT QUIT TERM
setsid "$@" 2>/dev/null &
exec >/dev/null 2>&1
while read -r _; do :; done
kill -s KILL -- "-$!"
wait
# A helper of the browser that is in no group of ours ends by itself once the browser is gone.
tries=0
while ! rm -rf "$HOME" && [ $tries -lt 50 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
