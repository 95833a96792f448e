#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Brings a database to the schema of this tree: new migrations once, then procedures, views and seed.

set -u

usage() {
    cat <<'HELP'
usage: migrate.sh [options of the mariadb client] DATABASE
       migrate.sh --help

Applies each file of sql/migrations that DATABASE has not had yet, then creates
all procedures and views anew and adds missing rows of the seed. Can be run again
at any time. All options (--host, --socket, --user, --defaults-extra-file, ...)
are passed to the mariadb client; a password is best given in an option file.
The user needs SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX,
REFERENCES, CREATE VIEW, CREATE ROUTINE, ALTER ROUTINE, EXECUTE and
CREATE TEMPORARY TABLES on the database, nothing global. Separate users for the
program: see sql/grants.sql.

By hand (phpMyAdmin, tab Import): the files of sql/migrations in order, each once,
with a row in schema_version after each, then procedures/*.sql, views/*.sql and
seed.sql in alphabetical order, at last CALL usage_partition_ahead(3).

  MARIADB=/path/to/mariadb   use this client (default: mariadb, else mysql)
HELP
}

die() {
    printf 'migrate.sh: %s\n' "$*" >&2
    exit 1
}

case "${1:-}" in
--help | -h | -\?)
    usage
    exit 0
    ;;
'')
    usage >&2
    exit 2
    ;;
esac

here=$(cd "$(dirname "$0")" && pwd) || exit 1
client=${MARIADB:-}
if [ -z "$client" ]; then
    for candidate in mariadb mysql; do
        if command -v "$candidate" >/dev/null 2>&1; then
            client=$candidate
            break
        fi
    done
fi
[ -n "$client" ] || die "the mariadb client is not installed (Debian: apt-get install mariadb-client)"

# Procedures keep the sql_mode and character set that they were created with. On one line with the
# first line of the file, so that line numbers in error messages stay right.
prelude="SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci, time_zone = '+00:00',
sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION';"
prelude=$(printf '%s' "$prelude" | tr '\n' ' ')

query() {
    sql=$1
    shift
    printf '%s %s\n' "$prelude" "$sql" | "$client" "$@" --batch --skip-column-names
}

run_file() {
    file=$1
    shift
    { printf '%s ' "$prelude" && cat "$file"; } | "$client" "$@" --batch >/dev/null
}

checksum() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum <"$1" | cut -d ' ' -f 1
    else
        openssl dgst -sha256 <"$1" | sed 's/.*[ =]//'
    fi
}

database=$(query 'SELECT DATABASE();' "$@") || die "cannot connect (the client's message stands above)"
[ "$database" != NULL ] || die "name the database, as for the mariadb client: migrate.sh [options] DATABASE"
version=$(query "SELECT VERSION() LIKE '%MariaDB%' AND
    SUBSTRING_INDEX(VERSION(), '.', 1) * 1000 + SUBSTRING_INDEX(SUBSTRING_INDEX(VERSION(), '.', 2), '.', -1) >= 10010;" "$@")
[ "$version" = 1 ] || die "the server must be MariaDB 10.10 or later, it is $(query 'SELECT VERSION();' "$@")"

applied=''
if [ "$(query "SELECT COUNT(*) FROM information_schema.TABLES
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'schema_version';" "$@")" = 1 ]; then
    applied=$(query "SELECT version, name, COALESCE(checksum, '-') FROM schema_version ORDER BY version;" "$@") ||
        die "cannot read schema_version"
fi

# All checks come before the first change.
newest=0
pending=''
for file in "$here"/migrations/[0-9][0-9][0-9][0-9]_*.sql; do
    [ -f "$file" ] || die "no migrations in $here/migrations"
    name=$(basename "$file")
    number=$(printf '%s' "$name" | sed 's/_.*//; s/^0*//')
    sum=$(checksum "$file")
    [ "${#sum}" = 64 ] || die "cannot compute the SHA-256 of $file"
    [ "$number" -gt "$newest" ] || die "two migrations have the number $number"
    newest=$number
    had=$(printf '%s\n' "$applied" | awk -v n="$number" '$1 == n { print $3 }')
    case "$had" in
    '') pending="$pending $name" ;;
    - | "$sum") ;;
    *) die "$name was changed after it had been applied to $database; put the change into a new migration" ;;
    esac
done
last=$(printf '%s\n' "$applied" | awk 'END { print $1 + 0 }')
[ "$last" -le "$newest" ] ||
    die "$database has migration $last, this tree ends at $newest: it is older than the database"

for name in $pending; do
    number=$(printf '%s' "$name" | sed 's/_.*//; s/^0*//')
    if [ "$number" -lt "$last" ]; then
        die "$database has migration $last but not $name: it was not set up from this tree"
    fi
    run_file "$here/migrations/$name" "$@" || die "migration $name failed; correct the cause and run this again"
    query "INSERT INTO schema_version (version, name, checksum)
        VALUES ($number, '$name', '$(checksum "$here/migrations/$name")');" "$@" ||
        die "migration $name was applied but not recorded in schema_version"
    echo "migrate.sh: applied $name"
done

for file in "$here"/procedures/*.sql "$here"/views/*.sql "$here"/seed.sql; do
    run_file "$file" "$@" || die "${file#"$here"/} failed"
done
query 'CALL usage_partition_ahead(3);' "$@" >/dev/null || die "usage_partition_ahead failed"
echo "migrate.sh: $database is at version $newest"
