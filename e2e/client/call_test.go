package main

import (
	"net"
	"testing"

	"google.golang.org/grpc"
)

func TestPoolConnectsAgainAfterAFailedAttempt(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	defer server.Stop()
	go func() {
		if first, err := listener.Accept(); err == nil {
			_ = first.Close()
			_ = server.Serve(listener)
		}
	}()
	calls, err := connectAll(listener.Addr().String(), "", "pick_first", 2)
	if err != nil {
		t.Fatal(err)
	}
	calls.close()
}
