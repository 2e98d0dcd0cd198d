package main

import (
	"crypto/rand"
	"encoding/json"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc/status"
)

const maxErrors = 5 // messages kept for the report

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
func load(over pool, rate int) error {
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
		case <-time.After(time.Until(due(seen.start, n, rate))):
			connection := over[n%len(over)]
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

// When the call with this number begins.
func due(start time.Time, n, rate int) time.Time {
	return start.Add(time.Duration(n) * time.Second / time.Duration(rate))
}
