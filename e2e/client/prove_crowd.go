package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Users that are at work side by side, at least.
const sideBySide = 64

// Users that wait for their next call, and how many more there are.
type crowd struct {
	sync.Mutex
	waiting                []*member
	alive, inFlight, users int
}

// An open loop: a call begins when it is due, however long those before it take. Ends with the context, after the calls
// that have begun.
func (p *proof) load(ctx context.Context, over pool, rate int, l *ledger) {
	c := &crowd{}
	start := time.Now()
	var calls sync.WaitGroup
	defer calls.Wait()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(due(start, n, rate))):
		}
		m := c.next(p.updates)
		if m == nil {
			l.overloaded()
			continue
		}
		calls.Go(func() {
			c.back(m, m.act(over, l))
		})
	}
}

// Whose turn it is: somebody new while there are few or nobody waits. Nil if too many calls are in flight already.
func (c *crowd) next(updates int) *member {
	c.Lock()
	defer c.Unlock()
	if c.inFlight >= maxInFlight {
		return nil
	}
	c.inFlight++
	if c.alive < sideBySide || len(c.waiting) == 0 {
		c.alive++
		c.users++
		return &member{life: life(c.users, updates)}
	}
	last := len(c.waiting) - 1
	chosen := rand.IntN(len(c.waiting))
	m := c.waiting[chosen]
	c.waiting[chosen] = c.waiting[last]
	c.waiting = c.waiting[:last]
	return m
}

func (c *crowd) back(m *member, stays bool) {
	c.Lock()
	defer c.Unlock()
	c.inFlight--
	if stays {
		c.waiting = append(c.waiting, m)
	} else {
		c.alive--
	}
}
