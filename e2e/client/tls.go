package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

func tlsFlag(flags *flag.FlagSet) *string {
	return flags.String("tls", "", "folder with ca.crt, the server's authorities, and tls.crt with tls.key, what the client shows, if anything (none: no TLS)")
}

// How connections are protected, by the folder that a Secret is mounted at.
func protection(folder string) (credentials.TransportCredentials, error) {
	if folder == "" {
		return insecure.NewCredentials(), nil
	}
	authorities, err := os.ReadFile(filepath.Join(folder, "ca.crt"))
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(authorities) {
		return nil, fmt.Errorf("%s holds no certificate", filepath.Join(folder, "ca.crt"))
	}
	own, err := tls.LoadX509KeyPair(filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"))
	switch {
	case err == nil:
		config.Certificates = []tls.Certificate{own}
	case !errors.Is(err, os.ErrNotExist):
		return nil, err
	}
	return credentials.NewTLS(config), nil
}
