package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	callTimeout    = 5 * time.Second // one call, including the time to connect
	maxInFlight    = 512
	connectTimeout = 30 * time.Second // until every connection of a pool is there
)

// A server that comes back is noticed within a second.
var reconnect = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
	MinConnectTimeout: callTimeout,
}

// Without retries of any kind: a call that fails once is a call that failed.
func connect(target, tls, balancing string, further ...grpc.DialOption) (*grpc.ClientConn, error) {
	if target == "" {
		return nil, errors.New(usage)
	}
	protected, err := protection(tls)
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(protected),
		grpc.WithConnectParams(reconnect),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultServiceConfig(fmt.Sprintf(`{"loadBalancingConfig":[{%q:{}}]}`, balancing)),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(encoded{})),
	}
	return grpc.NewClient(target, append(options, further...)...)
}

// Connections that calls go round over.
type pool []*grpc.ClientConn

// Answers when all of them are there: a node may learn the addresses behind a Service after its pods are ready.
func connectAll(target, tls, balancing string, connections int) (pool, error) {
	var all pool
	for range connections {
		connection, err := connect(target, tls, balancing)
		if err != nil {
			all.close()
			return nil, err
		}
		connection.Connect()
		all = append(all, connection)
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	for _, connection := range all {
		if err := connected(ctx, connection); err != nil {
			all.close()
			return nil, err
		}
	}
	return all, nil
}

func connected(ctx context.Context, connection *grpc.ClientConn) error {
	for state := connection.GetState(); state != connectivity.Ready; state = connection.GetState() {
		if !connection.WaitForStateChange(ctx, state) {
			return fmt.Errorf("not connected to %s within %v: %v", connection.Target(), connectTimeout, state)
		}
		connection.Connect() // an idle one stays idle otherwise
	}
	return nil
}

func (p pool) close() {
	for _, connection := range p {
		_ = connection.Close()
	}
}

func (p pool) any() *grpc.ClientConn { return p[rand.IntN(len(p))] }

// Sends a message as `message` makes it.
func call(connection *grpc.ClientConn, method string, values ...string) (answer []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	err = connection.Invoke(ctx, "/user.v1.UserService/"+method, []byte(message(values...)), &answer)
	return answer, err
}

// Encodes a message whose fields are all strings, or messages that are encoded already, numbered from 1.
func message(values ...string) string {
	var encoded []byte
	for i, value := range values {
		encoded = protowire.AppendTag(encoded, protowire.Number(i+1), protowire.BytesType)
		encoded = protowire.AppendString(encoded, value)
	}
	return string(encoded)
}

// Carries encoded messages as they are: a few methods need no generated code.
type encoded struct{}

func (encoded) Name() string { return "proto" }

func (encoded) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(message.([]byte))}, nil
}

func (encoded) Unmarshal(data mem.BufferSlice, message any) error {
	*message.(*[]byte) = data.Materialize()
	return nil
}

// The value of one field with its length prefix gone; nil if the message does not have it.
func field(message []byte, wanted protowire.Number) []byte {
	value, _ := protowire.ConsumeBytes(raw(message, wanted))
	return value
}

func number(message []byte, wanted protowire.Number) int64 {
	value, _ := protowire.ConsumeVarint(raw(message, wanted))
	return int64(value)
}

func raw(message []byte, wanted protowire.Number) []byte {
	for len(message) > 0 {
		found, _, length := protowire.ConsumeField(message)
		if length < 0 {
			return nil
		}
		if found == wanted {
			_, _, tag := protowire.ConsumeTag(message)
			return message[tag:length]
		}
		message = message[length:]
	}
	return nil
}
