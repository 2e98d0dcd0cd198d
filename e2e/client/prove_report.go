package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// A line now and then.
type progress struct {
	Phase        string         `json:"phase,omitempty"`
	Elapsed      float64        `json:"elapsed_s"`
	Acknowledged int            `json:"acknowledged"` // calls
	Failed       map[string]int `json:"failed"`       // attempts, by code
	Retried      int            `json:"retried"`      // of them, creates that were tried again
	Unknown      int            `json:"unknown"`      // calls that were never acknowledged
	Events       int            `json:"events"`
	Behind       int            `json:"behind"` // acknowledged versions without their event
}

// The last line.
type outcome struct {
	Done bool `json:"done"`
	progress
	Users           int            `json:"users"`
	Calls           map[string]int `json:"calls"`    // acknowledged, by method
	Distinct        int            `json:"distinct"` // ids
	Repeated        int            `json:"repeated"` // ids that came more than once
	Lost            int            `json:"lost"`
	OrderViolations int            `json:"order_violations"`
	Mismatches      int            `json:"mismatches"`
	DeadLetters     int64          `json:"dead_letters"`
	Delay           delay          `json:"delay_ms"`
	Findings        []string       `json:"findings"` // the first ones that speak against the service
	Errors          []string       `json:"errors"`   // the first ones of calls and of reading
}

// From answer to consumption.
type delay struct {
	Median float64 `json:"p50"`
	High   float64 `json:"p99"`
	Max    float64 `json:"max"`
}

func delayOf(all []time.Duration) delay {
	if len(all) == 0 {
		return delay{}
	}
	slices.Sort(all)
	at := func(share float64) float64 {
		return float64(all[int(share*float64(len(all)-1))].Microseconds()) / 1000
	}
	return delay{at(0.5), at(0.99), at(1)}
}

func (l *ledger) arrived() {
	l.Lock()
	defer l.Unlock()
	l.Events++
}

func (l *ledger) remark(err error) {
	l.Lock()
	defer l.Unlock()
	l.Errors = note(l.Errors, err)
}

func note(noted []string, err error) []string {
	if len(noted) == maxErrors || slices.Contains(noted, err.Error()) {
		return noted
	}
	return append(noted, err.Error())
}

func (l *ledger) printProgress() {
	l.Lock()
	defer l.Unlock()
	if l.Done {
		return
	}
	l.Elapsed = time.Since(l.start).Seconds()
	_ = json.NewEncoder(os.Stdout).Encode(l.progress)
}

// Prints the last line. An error if anything speaks against the service, or nothing for it.
func (l *ledger) conclude(deadLetters int64) error {
	l.Lock()
	defer l.Unlock()
	l.Done, l.Phase, l.Elapsed = true, "", time.Since(l.start).Seconds()
	l.Lost, l.DeadLetters, l.Delay = l.Behind, deadLetters, delayOf(l.delays)
	for user, of := range l.users {
		if of.acknowledged > 0 {
			l.Users++
		}
		for version := 1; l.Lost > 0 && version <= of.acknowledged; version++ {
			if !of.has(version) {
				l.Findings = note(l.Findings, fmt.Errorf("no event of user %s at version %d", user, version))
			}
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(l.outcome); err != nil {
		return err
	}
	switch {
	case l.Lost > 0 || l.OrderViolations > 0 || l.Mismatches > 0:
		return errors.New("what was acknowledged and what came do not agree")
	case l.Acknowledged == 0:
		return errors.New("no call was acknowledged")
	}
	return nil
}
