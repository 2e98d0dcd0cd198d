package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// How brokers are reached.
type kafka struct {
	brokers, ca, username string
}

func kafkaFlags(flags *flag.FlagSet) *kafka {
	k := &kafka{}
	flags.StringVar(&k.brokers, "brokers", "", "HOST:PORT,… of Kafka")
	flags.StringVar(&k.ca, "ca", "", "file with the authority for TLS")
	flags.StringVar(&k.username, "username", "", "user of SCRAM-SHA-512, with the password in KAFKA_PASSWORD")
	return k
}

// A client that reads what is committed.
func (k *kafka) client(more ...kgo.Opt) (*kgo.Client, error) {
	options := append([]kgo.Opt{
		kgo.SeedBrokers(strings.Split(k.brokers, ",")...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	}, more...)
	if k.ca != "" {
		authority, err := os.ReadFile(k.ca)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(authority) {
			return nil, fmt.Errorf("no certificate in %s", k.ca)
		}
		options = append(options, kgo.DialTLSConfig(&tls.Config{RootCAs: roots}))
	}
	if k.username != "" {
		user := scram.Auth{User: k.username, Pass: os.Getenv("KAFKA_PASSWORD")}
		options = append(options, kgo.SASL(user.AsSha512Mechanism()))
	}
	return kgo.NewClient(options...)
}
