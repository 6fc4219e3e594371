// Command bench measures docdb. Most figures are ratios: of what raw Pebble does with the same bytes under the same options, or of
// what a stub server does that answers the same bytes over the same kind of connection, both taken in the same run, so that they
// mean something on any machine:
//
//	go run ./docdb/bench                       # every line but the huge one; a few minutes
//	go run ./docdb/bench -only insert -d 2s
//	go run ./docdb/bench -huge                 # the line of 10 million documents too
//
// It prints a Markdown table. Its folders go to -dir and are removed at the end.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"
)

// config is what the flags say.
type config struct {
	dir      string
	duration time.Duration
	docs     int
	huge     bool
	hugeDocs int
	only     string
	cpu      string
}

// scenario is a part of the table.
type scenario struct {
	name string
	run  func(ctx context.Context, c *config) ([]line, error)
}

func scenarios() []scenario {
	return []scenario{
		{"insertOne", insertLines},
		{"findOne", findLines},
		{"range", rangeLines},
		{"scan", scanLines},
		{"update", updateLines},
		{"streams", streamLines},
		{"tcp", tcpLines},
		{"huge", hugeLines},
	}
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "child" {
		if err := child(os.Args[2], os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench child:", err)
			os.Exit(1)
		}
		return
	}
	c := &config{}
	flag.DurationVar(&c.duration, "d", 2*time.Second, "time for each measurement")
	flag.IntVar(&c.docs, "docs", 100_000, "documents of 1 KB in the collection that is read")
	flag.BoolVar(&c.huge, "huge", false, "also open a collection of -hugedocs documents of 100 bytes")
	flag.IntVar(&c.hugeDocs, "hugedocs", 10_000_000, "documents of the huge collection")
	flag.StringVar(&c.only, "only", "", "only scenarios whose name contains this: insertOne, findOne, range, scan, update, streams, tcp, huge")
	flag.StringVar(&c.cpu, "cpuprofile", "", "write a CPU profile of docdb's own measurements to this file (one scenario at a time)")
	flag.BoolVar(&printCPU, "cpu", false, "print the processor time of an operation in this process, too")
	base := flag.String("dir", "", "where to make the folders; default the system's temporary folder")
	flag.Parse()
	if err := run(c, *base); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(c *config, base string) (err error) {
	if c.dir, err = os.MkdirTemp(base, "docdb-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(c.dir)
	ctx := context.Background()
	cost, err := syncCost(c.dir)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %s, %d cores, %s; one synced write of 4 KB to this disk takes %s\n\n", time.Now().Format("2006-01-02"), runtime.Version(), runtime.NumCPU(), cpuModel(), cost.Round(time.Microsecond))
	printHead()
	for _, s := range scenarios() {
		if !strings.Contains(s.name, c.only) || s.name == "huge" && !c.huge && c.only != "huge" {
			continue
		}
		lines, err := s.run(ctx, c)
		for _, l := range lines {
			l.print()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// profiled runs a measurement of docdb under the CPU profiler, if one was asked for.
func (c *config) profiled(f func() error) error {
	if c.cpu == "" {
		return f()
	}
	out, err := os.Create(c.cpu)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := pprof.StartCPUProfile(out); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return f()
}
