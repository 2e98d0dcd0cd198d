// A client of the user service in Go, as a developer would write it.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	userv1 "userservice/client/user/v1"
)

func main() {
	if err := call(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func call(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	users := userv1.NewUserServiceClient(connection)
	created, err := users.CreateUser(ctx, &userv1.CreateUserRequest{Name: "Ada", Email: "go@example.com"})
	if err != nil {
		return err
	}
	found, err := users.GetUser(ctx, &userv1.GetUserRequest{UserId: created.GetUserId()})
	if err != nil {
		return err
	}
	if !proto.Equal(found.GetUser(), created.GetUser()) {
		return fmt.Errorf("found %v, created %v", found, created)
	}
	_, err = users.GetUser(ctx, &userv1.GetUserRequest{UserId: "nobody"})
	if status.Code(err) != codes.InvalidArgument {
		return fmt.Errorf("nobody: %w", err)
	}
	return nil
}
