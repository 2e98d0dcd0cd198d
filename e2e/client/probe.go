package main

import (
	"fmt"
	"net"
	"time"
)

const dialTimeout = 2500 * time.Millisecond // a refusal by the network may take a second to be heeded

// Makes a connection each second and says of each whether it came about, for as long as it runs.
func probe(target string) error {
	for range time.Tick(time.Second) {
		connection, err := net.DialTimeout("tcp", target, dialTimeout)
		if err != nil {
			fmt.Println("refused:", err)
			continue
		}
		_ = connection.Close()
		fmt.Println("reached")
	}
	return nil
}
