# A session of psql that takes statements on standard input. $1: psql, $2: the server, $3: how the names of this
# process's databases begin, or nothing when the server ends with the process anyway.
#
# When the process ends, however it ends, standard input is closed, psql ends, and what is left is dropped.
trap '' HUP INT QUIT TERM
"$1" -X -q -A -t -w "$2" 2>&1
[ -n "$3" ] || exit
exec >/dev/null 2>&1
sql="SELECT format('DROP DATABASE IF EXISTS %I WITH (FORCE);', datname) FROM pg_database WHERE starts_with(datname, '$3')"
"$1" -X -q -A -t -w "$2" -c "$sql" | "$1" -X -q -w "$2"
