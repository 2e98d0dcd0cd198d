# Certificates and the password of the servers' one user, made when first needed and never part of the repository.
# shellcheck shell=bash

CERTIFICATES=$CACHE/certificates
# shellcheck disable=SC2034
KAFKA_USERNAME=users

certificates_last() { openssl x509 -in "$CERTIFICATES/ca.crt" -noout -checkend $((14 * 24 * 3600)) >/dev/null 2>&1; }

certificates() {
  if certificates_last; then return; fi
  need openssl=openssl
  step "certificates: an authority, and what Kafka shows to its clients" make_certificates
}

# The folder alone keeps others out: servers read the files as a user of their image.
make_certificates() {
  local making=$CERTIFICATES.making
  rm -rf "$making"
  mkdir -p "$making"
  chmod 700 "$making"
  openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj "/CN=userservice test bed" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
    -keyout "$making/ca.key" -out "$making/ca.crt"
  openssl req -newkey rsa:2048 -nodes -subj "/CN=kafka" -keyout "$making/kafka.key" -out "$making/kafka.csr"
  openssl x509 -req -in "$making/kafka.csr" -CA "$making/ca.crt" -CAkey "$making/ca.key" -CAcreateserial -days 365 \
    -extfile <(printf '%s\n' "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kafka.$BACKING,DNS:*.kafka.$BACKING,DNS:*.kafka.$BACKING.svc,DNS:*.kafka.$BACKING.svc.cluster.local" \
      "extendedKeyUsage=serverAuth") -out "$making/kafka.crt"
  cat "$making/kafka.key" "$making/kafka.crt" "$making/ca.crt" >"$making/kafka.pem"
  # Brokers keep the password that they were made with.
  cp "$CERTIFICATES/password" "$making/" || openssl rand -hex 16 | tr -d "\n" >"$making/password"
  rm "$making"/{ca.key,ca.srl,kafka.key,kafka.crt,kafka.csr}
  chmod 644 "$making"/*
  rm -rf "$CERTIFICATES"
  mv "$making" "$CERTIFICATES"
}
