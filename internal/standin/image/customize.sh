#!/bin/sh
# Turns a minimal Debian root into the stand-in image.
# Usage: customize.sh ROOT, with SERVER_DIR (server binaries) and SCRIPT_DIR
# (the folder of this script) in the environment.
set -eu
root=$1
home=/usr/local/pgsql
client=$(echo "$root"/usr/lib/postgresql/*/bin)

echo 'postgres:x:70:' >>"$root/etc/group"
echo 'postgres:x:70:70:PostgreSQL:/var/lib/postgresql:/bin/bash' >>"$root/etc/passwd"

# The server, without what only builds against it need.
mkdir -p "$root$home"
cp -a "$SERVER_DIR/bin" "$SERVER_DIR/lib" "$SERVER_DIR/share" "$root$home/"
chown -R 0:0 "$root$home"
chmod -R u=rwX,go=rX "$root$home"
chmod 755 "$root$home"/bin/*
rm -rf "$root$home"/lib/*.a "$root$home"/lib/pkgconfig "$root$home"/lib/postgresql/pgxs "$root$home"/lib/libecpg* "$root$home"/lib/libpgtypes*
cat >>"$root$home/share/postgresql/postgresql.conf.sample" <<CONF

listen_addresses = '*'
unix_socket_directories = '/var/run/postgresql'
CONF

# Programs by their plain names: the server's, then the client's own binaries
# instead of Debian's wrappers around them.
for program in "$client"/*; do
	ln -sf "${program#"$root"}" "$root/usr/local/bin/"
done
for program in "$root$home"/bin/*; do
	ln -sf "${program#"$root"}" "$root/usr/local/bin/"
done

install -m 755 "$SCRIPT_DIR/docker-entrypoint.sh" "$root/usr/local/bin/"
mkdir -p "$root/docker-entrypoint-initdb.d"
install -d -m 1777 -o 70 -g 70 "$root/var/lib/postgresql" "$root/var/lib/postgresql/data"
# Not by way of var/run: seen from outside, that links to this machine's own /run.
rm -rf "$root"/run/*
install -d -m 3775 -o 70 -g 70 "$root/run/postgresql"

# Not wanted in a container. Perl came with Debian's wrappers only.
rm -rf "$root"/usr/share/perl "$root"/usr/lib/*/perl "$root"/usr/lib/*/libperl.so*
rm -rf "$root"/var/log/* "$root"/var/cache/* "$root"/etc/machine-id
