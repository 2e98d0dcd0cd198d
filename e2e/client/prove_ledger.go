package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc/status"
)

// Which event tells of a change.
type kind uint8

const (
	created kind = iota
	updated
	deleted
	kinds
)

// Two columns, held against each other: what was acknowledged, and which events came. It holds a few hundred bytes for
// each user, so that a million events fit.
type ledger struct {
	sync.Mutex
	topics [kinds]string
	start  time.Time
	outcome
	users  map[string]*account
	ids    map[string]sighting
	owners map[string]*account // by the e-mail address that they were created with
	delays []time.Duration
}

// What is known about one user.
type account struct {
	id           string
	acknowledged int            // highest version
	answered     map[int]answer // versions whose event has not come yet; nil without any
	came         []uint8        // by version from 1 on: 0, or 1 more than the kind of the event that came
	last         [kinds]int     // highest version so far, by kind
}

// What the service has acknowledged, and when.
type answer struct {
	tells kind
	at    time.Time
}

// The first appearance of an event, and how often it came.
type sighting struct {
	of      *account
	version uint16
	tells   kind
	times   uint8 // at most 2
}

// No user changes as often.
const mostVersions = 1000

func newLedger(topics [kinds]string) *ledger {
	return &ledger{
		topics: topics, start: time.Now(),
		outcome: outcome{progress: progress{Phase: "load", Failed: map[string]int{}}, Calls: map[string]int{}, Findings: []string{}, Errors: []string{}},
		users:   map[string]*account{}, ids: map[string]sighting{}, owners: map[string]*account{},
	}
}

func (l *ledger) acknowledged(user string, version int, tells kind, at time.Time) {
	l.Lock()
	defer l.Unlock()
	l.Acknowledged++
	of := l.account(user)
	for ; of.acknowledged < version; of.acknowledged++ {
		if !of.has(of.acknowledged + 1) {
			l.Behind++
		}
	}
	if !of.has(version) {
		of.expect(version, answer{tells, at})
		return
	}
	// It was quicker than the answer.
	l.delays = append(l.delays, 0)
	l.compare(of, version, tells)
}

func (l *ledger) counted(method string) {
	l.Lock()
	defer l.Unlock()
	l.Calls[method]++
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

// What is in a value, of any type of event.
type value struct {
	UserID  string `json:"user_id"`
	Name    string `json:"name"`
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
	tells := kind(slices.Index(l.topics[:], seen.Topic))
	if tells >= kinds || version > mostVersions || (version == 1) != (tells == created) {
		return fmt.Errorf("%s: version %d of %s does not belong there", seen.where(), version, seen.Key)
	}
	var has value
	if err := json.Unmarshal(seen.Value, &has); err != nil {
		return fmt.Errorf("%s: %w", seen.where(), err)
	}
	if has.UserID != seen.Key || has.Version != strconv.Itoa(version) {
		return fmt.Errorf("%s: user_id %s with key %s, version %s with ce_sequence %d", seen.where(), has.UserID, seen.Key, has.Version, version)
	}
	if (tells == deleted) != (has.Name == "" && has.Email == "") {
		return fmt.Errorf("%s: name and address of %s are in all events but the deletion", seen.where(), seen.Key)
	}
	of := l.account(seen.Key)
	first, ok := l.ids[id]
	if !ok {
		l.ids[id] = sighting{of, uint16(version), tells, 1}
		l.Distinct++
		return l.firstAppearance(of, seen, version, tells, has.Email, at)
	}
	if first.times == 1 {
		first.times++
		l.ids[id] = first
		l.Repeated++
	}
	if first.of != of || int(first.version) != version || first.tells != tells {
		return fmt.Errorf("%s: id %s is that of %s at version %d", seen.where(), id, first.of.id, first.version)
	}
	return nil
}

func (l *ledger) firstAppearance(of *account, seen event, version int, tells kind, email string, at time.Time) error {
	// A number that another id had is as wrong as one that comes too late.
	if of.has(version) || version < of.last[tells] {
		l.OrderViolations++
		l.Findings = note(l.Findings, fmt.Errorf("%s: version %d of %s after %d", seen.where(), version, seen.Key, of.last[tells]))
	}
	of.last[tells] = max(of.last[tells], version)
	if !of.has(version) {
		of.take(version, tells)
		if version <= of.acknowledged {
			l.Behind--
		}
	}
	if expected, ok := of.met(version); ok {
		l.delays = append(l.delays, max(0, at.Sub(expected.at)))
		l.compare(of, version, expected.tells)
	}
	if version > 1 {
		return nil
	}
	if owner, ok := l.owners[email]; ok {
		return fmt.Errorf("%s: %s and %s were created with the same address", seen.where(), owner.id, seen.Key)
	}
	l.owners[email] = of
	return nil
}

// Holds the event that came against what the service acknowledged.
func (l *ledger) compare(of *account, version int, tells kind) {
	if came := kind(of.came[version-1] - 1); came != tells {
		l.Mismatches++
		l.Findings = note(l.Findings, fmt.Errorf("version %d of %s was told in %s instead of %s", version, of.id, l.topics[came], l.topics[tells]))
	}
}

func (l *ledger) account(user string) *account {
	if l.users[user] == nil {
		l.users[user] = &account{id: user}
	}
	return l.users[user]
}

// Whether the event of the version came.
func (a *account) has(version int) bool { return version <= len(a.came) && a.came[version-1] > 0 }

func (a *account) take(version int, tells kind) {
	for len(a.came) < version {
		a.came = append(a.came, 0)
	}
	a.came[version-1] = uint8(tells) + 1
}

func (a *account) expect(version int, of answer) {
	if a.answered == nil {
		a.answered = map[int]answer{}
	}
	a.answered[version] = of
}

func (a *account) met(version int) (answer, bool) {
	of, ok := a.answered[version]
	if delete(a.answered, version); len(a.answered) == 0 {
		a.answered = nil
	}
	return of, ok
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
