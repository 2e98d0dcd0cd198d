// Calls the user service: a few times, to show it, or at a constant rate, to see whether a call fails while something changes.
// And reads what it published, by the topics and the schema registry alone. `prove` does both, and holds them together.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

const usage = `client demo --target HOST:PORT --name NAME --email EMAIL [--rename NAME] [--traceparent TEXT] [--tls FOLDER] [--wait]
client probe --target HOST:PORT
client load --target TARGET [--connections 4] [--rate 60] [--balancing pick_first|round_robin] [--tls FOLDER]
client events|verify --brokers HOST:PORT,… --topics TOPIC,… [--registry URL] [--key KEY] [--until-count N] [--timeout 30s]
  [--ca FILE] [--username NAME]
client prove --target TARGET --brokers HOST:PORT,… --topics CREATED,UPDATED,DELETED --registry URL [--dead-letters TOPIC,…]
  [--connections 4] [--rate 60] [--balancing pick_first|round_robin] [--duration 60s] [--updates 3] [--settle 120s]
  [--tls FOLDER] [--ca FILE] [--username NAME]`

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
	if act, ok := map[string]func(*reading) error{"events": events, "verify": verify}[arguments[0]]; ok {
		wanted := readingFlags(flags)
		_ = flags.Parse(arguments[1:]) // ExitOnError
		return act(wanted)
	}
	target := flags.String("target", "", "where the service is, as gRPC names it")
	if arguments[0] == "probe" {
		_ = flags.Parse(arguments[1:])
		return probe(*target)
	}
	tls := tlsFlag(flags)
	if arguments[0] == "demo" {
		name := flags.String("name", "", "name of the user")
		email := flags.String("email", "", "e-mail address of the user")
		rename := flags.String("rename", "", "name that the user is given afterwards")
		trace := flags.String("traceparent", "", "the caller's trace, as W3C writes it")
		wait := flags.Bool("wait", false, "try to connect for as long as a call may take, instead of once")
		_ = flags.Parse(arguments[1:])
		return demo(*target, *tls, *trace, *wait, *name, *email, *rename)
	}
	connections := flags.Int("connections", 4, "connections that the calls go round over")
	rate := flags.Int("rate", 60, "calls begun each second")
	balancing := flags.String("balancing", "pick_first", "gRPC load balancing policy of each connection")
	var act func(pool) error
	switch arguments[0] {
	case "load":
		act = func(calls pool) error { return load(calls, *rate) }
	case "prove":
		wanted := proofFlags(flags)
		act = func(calls pool) error { return wanted.run(calls, *rate) }
	default:
		return errors.New(usage)
	}
	_ = flags.Parse(arguments[1:])
	if *connections < 1 || *rate < 1 {
		return errors.New("--connections and --rate have to be at least 1")
	}
	calls, err := connectAll(*target, *tls, *balancing, *connections)
	if err != nil {
		return err
	}
	defer calls.close()
	return act(calls)
}
