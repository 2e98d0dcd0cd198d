package main

import (
	"net"
	"testing"

	"google.golang.org/grpc"
)

func TestPoolWaitsForAServerThatStartsLate(t *testing.T) {
	address := freeAddress(t)
	made := make(chan error, 1)
	go func() {
		calls, err := connectAll(address, "", "pick_first", 2)
		calls.close()
		made <- err
	}()
	select {
	case err := <-made:
		t.Fatalf("answered without a server: %v", err)
	default:
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	defer server.Stop()
	go func() { _ = server.Serve(listener) }()
	if err := <-made; err != nil {
		t.Fatal(err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
