#!/bin/bash
# One database server for tests, which lets in everybody who reaches it. From the environment: LISTEN (127.0.0.1), PORT
# (9712). A database is made where /data is empty.
set -Eeuo pipefail
database=/data/database

# Made aside and renamed, so that one that was killed meanwhile is made anew.
create() {
  local making=$database.making
  rm -rf "$making"
  initdb -D "$making" --username postgres --auth trust --encoding UTF8 --locale C.UTF-8
  # A test's database has nothing to lose in a power cut.
  cat >>"$making/postgresql.conf" <<CONF
shared_preload_libraries = 'pg_cron,pg_documentdb_core,pg_documentdb'
cron.database_name = 'postgres'
unix_socket_directories = '/tmp'
fsync = off
CONF
  pg_ctl start -D "$making" --wait --options "-c listen_addresses= -c port=${PORT:-9712}"
  psql --host /tmp --port "${PORT:-9712}" --username postgres --command 'create extension documentdb cascade'
  pg_ctl stop -D "$making" --wait
  mv "$making" "$database"
}

[[ -d $database ]] || create
# Parallel workers meet in shared memory, of which a container has little: a query over a long outbox found none.
exec postgres -D "$database" -c "listen_addresses=${LISTEN:-127.0.0.1}" -c "port=${PORT:-9712}" -c max_connections=400 \
  -c max_parallel_workers_per_gather=0
