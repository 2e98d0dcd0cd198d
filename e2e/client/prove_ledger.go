package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc/status"
)

// Two columns, held against each other: what was acknowledged, and which events came.
type ledger struct {
	sync.Mutex
	created, updated string // topics
	start            time.Time
	outcome
	users  map[string]*account
	ids    map[string]*sighting
	owners map[string]string // keys, by the e-mail address that they were created with
	delays []time.Duration
}

// What is known about one user.
type account struct {
	acknowledged int               // highest version
	answered     map[int]time.Time // versions whose event has not come yet
	events       map[int]bool      // versions whose event came, in the topic where it belongs
	last         map[string]int    // highest number so far, by topic
}

// The first appearance of an event, and how often it came.
type sighting struct {
	topic, key string
	version    int
	times      int
}

func newLedger(created, updated string) *ledger {
	return &ledger{
		created: created, updated: updated, start: time.Now(),
		outcome: outcome{progress: progress{Phase: "load", Failed: map[string]int{}}, Findings: []string{}, Errors: []string{}},
		users:   map[string]*account{}, ids: map[string]*sighting{}, owners: map[string]string{},
	}
}

func (l *ledger) acknowledged(user string, version int, at time.Time) {
	l.Lock()
	defer l.Unlock()
	l.Acknowledged++
	of := l.account(user)
	for ; of.acknowledged < version; of.acknowledged++ {
		if !of.events[of.acknowledged+1] {
			l.Behind++
		}
	}
	if of.events[version] { // it was quicker than the answer
		l.delays = append(l.delays, 0)
	} else {
		of.answered[version] = at
	}
}

func (l *ledger) failed(err error, again bool) {
	l.Lock()
	defer l.Unlock()
	l.Failed[status.Code(err).String()]++
	if again {
		l.Retried++
	} else {
		l.Unknown++
		l.Errors = note(l.Errors, err)
	}
}

func (l *ledger) overloaded() {
	l.Lock()
	defer l.Unlock()
	l.Failed["CLIENT_OVERLOAD"]++
}

func (l *ledger) mismatch(err error) {
	l.Lock()
	defer l.Unlock()
	l.Mismatches++
	l.Findings = note(l.Findings, err)
}

// What is in a value, of either type of event.
type value struct {
	UserID  string `json:"user_id"`
	Email   string `json:"email"`
	Version string `json:"version"` // 64 bits are text in protobuf's JSON
}

// Takes an event down. One that cannot be read or contradicts itself is a mismatch.
func (l *ledger) consumed(seen event, at time.Time) error {
	l.Lock()
	defer l.Unlock()
	id, version, err := seen.identity()
	if err != nil {
		return err
	}
	var has value
	if err := json.Unmarshal(seen.Value, &has); err != nil {
		return fmt.Errorf("%s: %w", seen.where(), err)
	}
	if has.UserID != seen.Key || has.Version != strconv.Itoa(version) {
		return fmt.Errorf("%s: user_id %s with key %s, version %s with ce_sequence %d", seen.where(), has.UserID, seen.Key, has.Version, version)
	}
	if (version == 1) != (seen.Topic == l.created) {
		return fmt.Errorf("%s: version %d of %s does not belong there", seen.where(), version, seen.Key)
	}
	if first, ok := l.ids[id]; ok {
		if first.times++; first.times == 2 {
			l.Repeated++
		}
		if first.topic != seen.Topic || first.key != seen.Key || first.version != version {
			return fmt.Errorf("%s: id %s is that of %s at version %d", seen.where(), id, first.key, first.version)
		}
		return nil
	}
	l.ids[id] = &sighting{seen.Topic, seen.Key, version, 1}
	l.Distinct++
	return l.firstAppearance(seen, version, has.Email, at)
}

func (l *ledger) firstAppearance(seen event, version int, email string, at time.Time) error {
	of := l.account(seen.Key)
	// A number that another id had is as wrong as one that comes too late.
	if of.events[version] || version < of.last[seen.Topic] {
		l.OrderViolations++
		l.Findings = note(l.Findings, fmt.Errorf("%s: version %d of %s after %d", seen.where(), version, seen.Key, of.last[seen.Topic]))
	}
	of.last[seen.Topic] = max(of.last[seen.Topic], version)
	if !of.events[version] {
		of.events[version] = true
		if version <= of.acknowledged {
			l.Behind--
		}
	}
	if answer, ok := of.answered[version]; ok {
		l.delays = append(l.delays, max(0, at.Sub(answer)))
		delete(of.answered, version)
	}
	if version > 1 {
		return nil
	}
	if owner, ok := l.owners[email]; ok {
		return fmt.Errorf("%s: %s and %s were created with the same address", seen.where(), owner, seen.Key)
	}
	l.owners[email] = seen.Key
	return nil
}

func (l *ledger) account(user string) *account {
	if l.users[user] == nil {
		l.users[user] = &account{answered: map[int]time.Time{}, events: map[int]bool{}, last: map[string]int{}}
	}
	return l.users[user]
}

// Events of acknowledged versions that have not come.
func (l *ledger) behind() int {
	l.Lock()
	defer l.Unlock()
	return l.Behind
}

func (l *ledger) enter(phase string) {
	l.Lock()
	defer l.Unlock()
	l.Phase = phase
}
