// A user service in Go, written the usual way: grpc-go's server as it comes, validation, users in a map behind a mutex.
// What ours is held against by make bench. It has no outbox, no events, no metrics and no bound on calls.
package main

import (
	"fmt"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"userservice/bench/peer/userv1"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	userv1.RegisterUserServiceServer(server, newUsers())
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	reflection.Register(server)
	fmt.Fprintf(os.Stderr, `{"message":"serving","grpc_address":"%s"}`+"\n", listener.Addr())
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
}
