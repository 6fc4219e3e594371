package main

import (
	"fmt"
	"time"
)

// line is one line of the table.
type line struct {
	name    string
	docdb   string
	against string // what it is compared with, and that one's figure
	ratio   float64
	aim     string
	reached bool
}

func printHead() {
	fmt.Println("| line | docdb | compared with | ratio | aim | reached |")
	fmt.Println("|---|---|---|---|---|---|")
}

func (l line) print() {
	ratio, reached := "", "no"
	if l.ratio > 0 {
		ratio = fmt.Sprintf("%.0f%%", 100*l.ratio)
	}
	if l.reached {
		reached = "yes"
	}
	if l.aim == "" {
		reached = ""
	}
	fmt.Printf("| %s | %s | %s | %s | %s | %s |\n", l.name, l.docdb, l.against, ratio, l.aim, reached)
}

// compared makes a line of two rates, with the least ratio that is the aim (0 for none).
func compared(name string, mine result, with string, other result, aim float64) line {
	l := line{name: name, docdb: mine.String(), against: with + " " + other.String(), ratio: mine.rate / other.rate}
	if aim > 0 {
		l.aim, l.reached = fmt.Sprintf("≥ %.0f%%", 100*aim), l.ratio >= aim
	}
	return l
}

// timed makes a line of two durations of the same work, the least ratio of speeds being the aim.
func timed(name string, mine elapsed, with string, other elapsed, aim float64) line {
	r := float64(other.wall) / float64(mine.wall)
	return line{name: name, docdb: mine.String(), against: with + " " + other.String(), ratio: r, aim: fmt.Sprintf("≥ %.0f%%", 100*aim), reached: r >= aim}
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
