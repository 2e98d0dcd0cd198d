package main

import (
	"context"
	"errors"
	"flag"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const (
	// After everything acknowledged has its event: for what comes more than once, or late.
	aftermath   = 2 * time.Second
	reportEvery = 200 * time.Millisecond
)

// What `prove` was asked for.
type proof struct {
	*kafka
	topics, registry, deadLetters string
	updates                       int
	duration, settle              time.Duration
}

func proofFlags(flags *flag.FlagSet) *proof {
	p := &proof{kafka: kafkaFlags(flags)}
	flags.StringVar(&p.topics, "topics", "", "topics of created, updated and deleted users, with commas between")
	flags.StringVar(&p.registry, "registry", "", "Confluent API of the schema registry, to decode values by")
	flags.StringVar(&p.deadLetters, "dead-letters", "", "topics whose new records are counted, with commas between")
	flags.IntVar(&p.updates, "updates", 3, "updates of each user, one after the other; some are deleted afterwards, and some of these come back")
	flags.DurationVar(&p.duration, "duration", time.Minute, "how long calls are begun; SIGTERM ends that early")
	flags.DurationVar(&p.settle, "settle", 2*time.Minute, "how long after that events may still come")
	return p
}

// Holds what the service acknowledges against what a consumer gets, whatever breaks meanwhile. Ends by itself: after
// the load, the patience of its last calls, and settling.
func (p *proof) run(over pool, rate int) error {
	topics := strings.Split(p.topics, ",")
	if p.brokers == "" || p.registry == "" || len(topics) != 3 || p.updates < 0 {
		return errors.New(usage)
	}
	l := newLedger([kinds]string(topics))
	r, err := p.follow(l)
	if err != nil {
		return err
	}
	defer r.close()
	reports := time.NewTicker(reportEvery)
	defer reports.Stop()
	go func() {
		for range reports.C {
			l.printProgress()
		}
	}()

	asked, heard := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	ending, cancel := context.WithTimeout(asked, p.duration)
	p.load(ending, over, rate, l)
	cancel()
	heard() // a second signal ends the process

	l.enter("settle")
	for until := time.Now().Add(p.settle); l.behind() > 0 && time.Now().Before(until); {
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(aftermath)
	deadLetters, err := r.deadLetters()
	r.close()
	return errors.Join(err, l.conclude(deadLetters))
}
