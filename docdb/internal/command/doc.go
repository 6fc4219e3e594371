// Package command answers MongoDB's commands over a store. Each command has a file with its function and an entry in the table
// (table.go) that names it, its arguments and what it is for; the table is also what parses arguments strictly and what
// listCommands and the documentation are made from.
package command
