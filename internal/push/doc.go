// Package push sends messages to users' devices: through Firebase Cloud
// Messaging (HTTP v1) to phones, and by Web Push (RFC 8030, 8291, 8292) to
// browsers without any third party's account.
//
// A message becomes a job in the database before Send returns. Two loops, in
// every process that serves the app, take it from there:
//
//	Send ──► push_jobs ──fan-out──► push_deliveries ──deliver──► Provider
//	            │ cursor               │ one for each device         │
//	            └ idempotency key      └ due = next try or lease ◄───┘ retry
//
// Work is leased: a process that takes a job or a delivery moves its due time
// into the future. What a killed process had taken falls due again, so each
// device gets a message at least once; it gets it twice only when a process
// dies between a provider's answer and the note of it, or stalls for longer
// than the lease.
package push
