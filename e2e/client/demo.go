package main

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// All calls on one connection: a service that keeps its users in memory knows a user only in the pod that created it.
func demo(target, tls, trace string, wait bool, name, email, rename string) error {
	connection, err := connect(target, tls, "pick_first", grpc.WithDefaultCallOptions(grpc.WaitForReady(wait)), within(trace))
	if err != nil {
		return err
	}
	defer connection.Close()
	fmt.Printf("CreateUser {name: %q, email: %q}\n", name, email)
	answer, err := call(connection, "CreateUser", name, email)
	if err != nil {
		return err
	}
	id := field(answer, 1)
	printUser(field(answer, 2))
	fmt.Printf("GetUser {user_id: %q}\n", id)
	if answer, err = call(connection, "GetUser", string(id)); err != nil {
		return err
	}
	printUser(field(answer, 1))
	if rename == "" {
		return nil
	}
	fmt.Printf("UpdateUser {user_id: %q, name: %q}\n", id, rename)
	if answer, err = call(connection, "UpdateUser", message(string(id), rename), message("name")); err != nil {
		return err
	}
	printUser(field(answer, 1))
	return nil
}

// Each call says that it is part of the caller's trace, if there is one.
func within(trace string) grpc.DialOption {
	return grpc.WithUnaryInterceptor(func(ctx context.Context, method string, request, answer any, over *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		if trace != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", trace)
		}
		return invoke(ctx, method, request, answer, over, options...)
	})
}

// Prints an encoded user.v1.User.
func printUser(user []byte) {
	at := field(user, 4)
	created := time.Unix(number(at, 1), number(at, 2)).UTC().Format(time.RFC3339Nano)
	fmt.Printf("  answered OK\n    user_id      %s\n    name         %s\n    email        %s\n    create_time  %s\n    etag         %s\n",
		field(user, 1), field(user, 2), field(user, 3), created, field(user, 6))
}
