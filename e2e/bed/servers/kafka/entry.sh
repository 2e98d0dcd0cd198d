#!/bin/bash
# kafka [broker]         one node, broker and controller in one. From the environment:
#   NODE_ID              (the number at the end of the host's name)
#   QUORUM_VOTERS        ID@HOST:PORT,… (this node alone)
#   CLUSTER_ID           22 characters of base64, the same for every node
#   ADVERTISED_HOST      what clients and other nodes reach it by (localhost)
#   LISTEN               (0.0.0.0)
#   PLAIN_PORT TLS_PORT CONTROLLER_PORT MUTUAL_PORT  (9092 9093 9094 9095)
#   REPLICATION MIN_INSYNC               (1 1) of every topic that does not say otherwise
#   USERNAME PASSWORD    of the one user of SASL_SSL, by SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN
#   KEYSTORE             file with the private key and the certificate chain, in PEM
#   TRUSTSTORE           file with the authority of those who show a certificate themselves, at SSL, in PEM
#   HEAP                 (-Xms256m -Xmx512m)
# kafka topics|configs|groups|produce|consume ARGUMENT…   the command line tool
set -Eeuo pipefail

java=(java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*')
tool() { exec "${java[@]}" -Xmx128m -Dlog4j2.level=ERROR "org.apache.kafka.tools.$1" "${@:2}"; }

broker() {
  local id=${NODE_ID:-${HOSTNAME##*-}} listen=${LISTEN:-0.0.0.0} host=${ADVERTISED_HOST:-localhost}
  local plain=${PLAIN_PORT:-9092} tls=${TLS_PORT:-9093} controller=${CONTROLLER_PORT:-9094} mutual=${MUTUAL_PORT:-9095}
  local replication=${REPLICATION:-1} in_sync=${MIN_INSYNC:-1} heap
  read -ra heap <<<"${HEAP:--Xms256m -Xmx512m}"
  cat >/tmp/server.properties <<PROPERTIES
process.roles=broker,controller
node.id=$id
controller.quorum.voters=${QUORUM_VOTERS:-$id@localhost:$controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners=PLAINTEXT://$listen:$plain,SASL_SSL://$listen:$tls,SSL://$listen:$mutual,CONTROLLER://$listen:$controller
advertised.listeners=PLAINTEXT://$host:$plain,SASL_SSL://$host:$tls,SSL://$host:$mutual
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL,CONTROLLER:PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location=${KEYSTORE:?}
listener.name.ssl.ssl.truststore.type=PEM
listener.name.ssl.ssl.truststore.location=${TRUSTSTORE:?}
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,PLAIN
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_${USERNAME:?}="${PASSWORD:?}";
log.dirs=/data/log
auto.create.topics.enable=false
default.replication.factor=$replication
min.insync.replicas=$in_sync
offsets.topic.replication.factor=$replication
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=$replication
transaction.state.log.min.isr=$in_sync
transaction.state.log.num.partitions=3
share.coordinator.state.topic.replication.factor=$replication
share.coordinator.state.topic.min.isr=$in_sync
group.initial.rebalance.delay.ms=0
PROPERTIES
  "${java[@]}" -Xmx128m kafka.tools.StorageTool format --config /tmp/server.properties --cluster-id "${CLUSTER_ID:?}" \
    --add-scram "SCRAM-SHA-512=[name=$USERNAME,password=$PASSWORD]" \
    --add-scram "SCRAM-SHA-256=[name=$USERNAME,password=$PASSWORD]" --ignore-formatted
  exec java "${heap[@]}" -XX:+UseSerialGC -Dlog4j2.configurationFile=/opt/kafka/log4j2.yaml -cp '/opt/kafka/libs/*' kafka.Kafka /tmp/server.properties
}

case ${1:-broker} in
  broker) broker ;;
  topics) tool TopicCommand "${@:2}" ;;
  configs) exec "${java[@]}" -Xmx128m kafka.admin.ConfigCommand "${@:2}" ;;
  groups) tool consumer.group.ConsumerGroupCommand "${@:2}" ;;
  produce) tool ConsoleProducer "${@:2}" ;;
  consume) tool consumer.ConsoleConsumer "${@:2}" ;;
  *)
    echo "kafka broker|topics|configs|groups|produce|consume ARGUMENT…" >&2
    exit 2
    ;;
esac
