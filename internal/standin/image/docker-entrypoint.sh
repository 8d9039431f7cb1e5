#!/bin/bash
# Starts PostgreSQL in a container, initialising an empty data directory first.
# The variables and /docker-entrypoint-initdb.d behave as documented for the
# official image: https://hub.docker.com/_/postgres
# Without -u, under which sourced scripts might trip over a variable of theirs.
set -Eeo pipefail

note() { printf '%s: %s\n' "${0##*/}" "$*"; }
fail() { note "error: $*" >&2; exit 1; }

# from_file NAME [DEFAULT] exports NAME from the file that NAME_FILE names, from
# the environment, or from the default.
from_file() {
	local name=$1 file=${1}_FILE value=${2:-}
	if [ -n "${!name:-}" ] && [ -n "${!file:-}" ]; then
		fail "both $name and $file are set; set one of them"
	fi
	if [ -n "${!name:-}" ]; then
		value=${!name}
	elif [ -n "${!file:-}" ]; then
		[ -r "${!file}" ] || fail "$file: cannot read ${!file}"
		value=$(<"${!file}")
	fi
	export "$name=$value"
	unset "$file"
}

# wants_server ARGS... tells whether the arguments start a server, rather than
# print something and leave.
wants_server() {
	[ "$1" = postgres ] || return 1
	local arg
	for arg; do
		case $arg in
		-\? | --help | -V | --version | --describe-config) return 1 ;;
		esac
	done
}

# hand_over gives the directories to the server's user, which takes root.
hand_over() {
	local dir
	mkdir -p "$PGDATA" /var/run/postgresql
	if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then
		mkdir -p "$POSTGRES_INITDB_WALDIR"
	fi
	for dir in "$PGDATA" ${POSTGRES_INITDB_WALDIR:+"$POSTGRES_INITDB_WALDIR"} /var/run/postgresql; do
		find "$dir" \! -user postgres -exec chown postgres '{}' +
	done
	chmod 700 "$PGDATA" ${POSTGRES_INITDB_WALDIR:+"$POSTGRES_INITDB_WALDIR"}
}

check_password() {
	if [ -n "$POSTGRES_PASSWORD" ]; then
		return
	fi
	if [ "${POSTGRES_HOST_AUTH_METHOD:-}" = trust ]; then
		note "warning: POSTGRES_HOST_AUTH_METHOD is trust: whoever reaches the port is let in without a password" >&2
		return
	fi
	fail "the data directory is empty and the superuser has no password;" \
		"set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE (docker run -e POSTGRES_PASSWORD=...)"
}

initialise() {
	# Arguments are split as a shell would, quotes included.
	local -a args=()
	eval "args=(${POSTGRES_INITDB_ARGS:-})"
	if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then
		args+=(--waldir "$POSTGRES_INITDB_WALDIR")
	fi
	# With TZ given, initdb does not compare every known time zone with the system's.
	TZ=${TZ:-UTC} initdb --username="$POSTGRES_USER" \
		--pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${args[@]}"
	printf '\nhost all all all %s\n' \
		"${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption)}" >>"$PGDATA/pg_hba.conf"
	if [ "$POSTGRES_DB" != postgres ]; then
		create_database
	fi
}

# create_database needs no server: a single-user backend is quicker to start.
create_database() {
	printf 'CREATE DATABASE "%s";\n\n' "${POSTGRES_DB//\"/\"\"}" |
		postgres --single -j -c exit_on_error=true -c log_checkpoints=off postgres >/dev/null
}

# sql runs psql on the new database, through the socket.
sql() {
	PGHOST='' PGHOSTADDR='' psql --set ON_ERROR_STOP=1 --no-psqlrc --no-password \
		--username "$POSTGRES_USER" --dbname "$POSTGRES_DB" "$@"
}

# run_scripts ARGS... runs /docker-entrypoint-initdb.d against a server that
# listens on its socket only.
run_scripts() {
	local script options
	shift
	printf -v options '%q ' "$@" -c listen_addresses= -p "${PGPORT:-5432}"
	export PGPASSWORD=$POSTGRES_PASSWORD
	pg_ctl --options "$options" --wait start
	for script in "${scripts[@]}"; do
		note "running $script"
		case $script in
		*.sh) if [ -x "$script" ]; then "$script"; else . "$script"; fi ;;
		*.sql) sql --file "$script" ;;
		*.sql.gz) gunzip --stdout "$script" | sql ;;
		*.sql.xz) xzcat "$script" | sql ;;
		*.sql.zst) zstdcat "$script" | sql ;;
		*) note "ignoring $script: neither .sh nor .sql, .sql.gz, .sql.xz or .sql.zst" >&2 ;;
		esac
	done
	pg_ctl --mode fast --wait stop
	unset PGPASSWORD
}

if [ $# -eq 0 ] || [ "${1:0:1}" = - ]; then
	set -- postgres "$@"
fi
if ! wants_server "$@"; then
	exec "$@"
fi

from_file POSTGRES_PASSWORD
from_file POSTGRES_USER postgres
from_file POSTGRES_DB "$POSTGRES_USER"
from_file POSTGRES_INITDB_ARGS

if [ "$(id -u)" = 0 ]; then
	hand_over
	exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

if [ -s "$PGDATA/PG_VERSION" ]; then
	note "the data directory holds a database: initialisation skipped"
else
	check_password
	initialise
	shopt -s nullglob
	scripts=(/docker-entrypoint-initdb.d/*)
	if [ ${#scripts[@]} -gt 0 ]; then
		run_scripts "$@"
	fi
	note "initialisation complete"
fi

# The server needs none of it, and its children would inherit it.
unset POSTGRES_PASSWORD
exec "$@"
