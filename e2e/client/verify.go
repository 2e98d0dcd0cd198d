package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// What `verify` found. An event is one by its header ce_id, and its number among those of its key is ce_sequence.
type verdict struct {
	Events   int `json:"events"`
	Distinct int `json:"distinct"` // ids
	Repeated int `json:"repeated"` // ids that came more than once
	Keys     int `json:"keys"`
	// First appearances with a number that is not above the one before, of the same key in the same topic; or with a
	// number that another id of that key had. Kafka orders nothing between topics.
	OrderViolations int `json:"order_violations"`
	// Numbers from 1 to the highest of each key that came in no topic.
	Missing int `json:"missing"`
}

type verifier struct {
	appearances map[string]int            // by id
	last        map[[2]string]int         // number, by key and topic
	numbers     map[string]map[int]string // ids by number, by key
	violations  int
}

// Prints a verdict over all events, also over those that came before a failure.
func verify(r *reading) error {
	v := &verifier{map[string]int{}, map[[2]string]int{}, map[string]map[int]string{}, 0}
	err := r.each(v.add)
	return errors.Join(err, json.NewEncoder(os.Stdout).Encode(v.verdict()))
}

func (v *verifier) add(seen event) error {
	id, number, err := seen.identity()
	if err != nil {
		return err
	}
	v.appearances[id]++
	if v.appearances[id] > 1 {
		return nil
	}
	if v.numbers[seen.Key] == nil {
		v.numbers[seen.Key] = map[int]string{}
	}
	here := [2]string{seen.Key, seen.Topic}
	if _, taken := v.numbers[seen.Key][number]; taken || number <= v.last[here] {
		v.violations++
	}
	v.numbers[seen.Key][number] = id
	v.last[here] = max(v.last[here], number)
	return nil
}

// The event's id, and its number among those of its key.
func (e event) identity() (id string, number int, err error) {
	id, sequence := e.Headers["ce_id"], e.Headers["ce_sequence"]
	number, err = strconv.Atoi(sequence)
	if id == "" || err != nil || number < 1 {
		return "", 0, fmt.Errorf("%s: ce_id %q, ce_sequence %q", e.where(), id, sequence)
	}
	return id, number, nil
}

func (v *verifier) verdict() verdict {
	found := verdict{Distinct: len(v.appearances), Keys: len(v.numbers), OrderViolations: v.violations}
	for _, times := range v.appearances {
		found.Events += times
		if times > 1 {
			found.Repeated++
		}
	}
	for _, numbers := range v.numbers {
		highest := 0
		for number := range numbers {
			highest = max(highest, number)
		}
		found.Missing += highest - len(numbers)
	}
	return found
}
