// Calls the user service: twice, to show it, or at a constant rate, to see whether a call fails while something changes.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	usage = `client demo --target HOST:PORT --name NAME --email EMAIL
client load --target TARGET [--connections 4] [--rate 60] [--balancing pick_first|round_robin]`
	callTimeout = 5 * time.Second // one call, including the time to connect
	maxInFlight = 512
	maxErrors   = 5 // messages kept for the report
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 0 {
		return errors.New(usage)
	}
	flags := flag.NewFlagSet(arguments[0], flag.ExitOnError)
	target := flags.String("target", "", "where the service is, as gRPC names it")
	switch arguments[0] {
	case "demo":
		name := flags.String("name", "", "name of the user")
		email := flags.String("email", "", "e-mail address of the user")
		_ = flags.Parse(arguments[1:]) // ExitOnError
		return demo(*target, *name, *email)
	case "load":
		connections := flags.Int("connections", 4, "connections that the calls go round over")
		rate := flags.Int("rate", 60, "calls begun each second")
		balancing := flags.String("balancing", "pick_first", "gRPC load balancing policy of each connection")
		_ = flags.Parse(arguments[1:])
		if *connections < 1 || *rate < 1 {
			return errors.New("--connections and --rate have to be at least 1")
		}
		return load(*target, *connections, *rate, *balancing)
	}
	return errors.New(usage)
}

// Without retries of any kind: a call that fails once is a call that failed.
func connect(target, balancing string) (*grpc.ClientConn, error) {
	if target == "" {
		return nil, errors.New(usage)
	}
	return grpc.NewClient(target,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultServiceConfig(fmt.Sprintf(`{"loadBalancingConfig":[{%q:{}}]}`, balancing)),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(encoded{})))
}

// Both calls on one connection: a service that keeps its users in memory knows a user only in the pod that created it.
func demo(target, name, email string) error {
	connection, err := connect(target, "pick_first")
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
	return nil
}

// Prints an encoded user.v1.User.
func printUser(user []byte) {
	at := field(user, 4)
	created := time.Unix(number(at, 1), number(at, 2)).UTC().Format(time.RFC3339Nano)
	fmt.Printf("  answered OK\n    user_id      %s\n    name         %s\n    email        %s\n    create_time  %s\n",
		field(user, 1), field(user, 2), field(user, 3), created)
}

// Sends a message whose fields are all strings, numbered from 1.
func call(connection *grpc.ClientConn, method string, values ...string) (answer []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	var request []byte
	for i, value := range values {
		request = protowire.AppendTag(request, protowire.Number(i+1), protowire.BytesType)
		request = protowire.AppendString(request, value)
	}
	err = connection.Invoke(ctx, "/user.v1.UserService/"+method, request, &answer)
	return answer, err
}

// Carries encoded messages as they are: two methods need no generated code.
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

// What the load has seen so far; the scenarios read it.
type report struct {
	Elapsed    float64        `json:"elapsed_s"`
	Started    int            `json:"started"`
	OK         int            `json:"ok"`
	Failed     map[string]int `json:"failed"`
	Errors     []string       `json:"errors"`
	InFlight   int            `json:"in_flight"`
	MaxLatency float64        `json:"max_latency_ms"`
	Done       bool           `json:"done,omitempty"`
}

type counter struct {
	sync.Mutex
	start time.Time
	report
}

// Counts a call that is about to begin; false if too many are in flight already.
func (c *counter) begin() bool {
	c.Lock()
	defer c.Unlock()
	c.Started++
	if c.InFlight >= maxInFlight {
		c.Failed["CLIENT_OVERLOAD"]++
		return false
	}
	c.InFlight++
	return true
}

func (c *counter) end(latency time.Duration, err error) {
	c.Lock()
	defer c.Unlock()
	c.InFlight--
	c.MaxLatency = max(c.MaxLatency, float64(latency.Microseconds())/1000)
	if err == nil {
		c.OK++
		return
	}
	c.Failed[status.Code(err).String()]++
	if len(c.Errors) < maxErrors {
		c.Errors = append(c.Errors, err.Error())
	}
}

func (c *counter) print(done bool) {
	c.Lock()
	defer c.Unlock()
	c.Elapsed, c.Done = time.Since(c.start).Seconds(), done
	_ = json.NewEncoder(os.Stdout).Encode(c.report)
}

// An open loop: a call begins when it is due, however long those before it take. Ends at SIGTERM.
func load(target string, connections, rate int, balancing string) error {
	pool := make([]*grpc.ClientConn, connections)
	for i := range pool {
		connection, err := connect(target, balancing)
		if err != nil {
			return err
		}
		defer connection.Close()
		pool[i] = connection
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	seen := &counter{start: time.Now(), report: report{Failed: map[string]int{}, Errors: []string{}}}
	second := time.NewTicker(time.Second)
	var calls sync.WaitGroup
	for n := 0; ; {
		select {
		case <-stop:
			calls.Wait() // callTimeout is the bound
			seen.print(true)
			return nil
		case <-second.C:
			seen.print(false)
		case <-time.After(time.Until(seen.start.Add(time.Duration(n) * time.Second / time.Duration(rate)))):
			connection := pool[n%connections]
			n++
			if seen.begin() {
				calls.Go(func() {
					begun := time.Now()
					_, err := call(connection, "CreateUser", "Load", "load-"+rand.Text()+"@example.com")
					seen.end(time.Since(begun), err)
				})
			}
		}
	}
}
